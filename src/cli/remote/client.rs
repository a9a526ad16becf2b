//! Requests to a service: who asks, what is tried again, and what a refusal means here.

use std::io::Read;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::blocking::{Client as Http, RequestBuilder, Response};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, IF_MATCH, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use snaphold::clock::Surroundings;
use snaphold::error::{Error, Result};

const ACCOUNT: &str = "snaphold-account";
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// What makes a connection, and any single read or write of it.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// Pauses before a request is sent again whose connection failed.
const AGAIN_AFTER: [Duration; 3] = [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(1)];
/// A service that says when to come again is obeyed so often, and so long at most.
const WAITS: usize = 6;
const WAIT_MAX: Duration = Duration::from_secs(60);
/// An answer that is read whole is not longer.
const ANSWER_MAX: u64 = 256 << 20;

/// A service, and who asks it.
pub struct Client {
    http: Http,
    base: Url,
    surroundings: Surroundings,
}

/// A refusal as a service writes it (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    detail: String,
}

/// A part of a request that may be sent more than once.
struct Call<'c> {
    method: Method,
    url: Url,
    body: Option<&'c Value>,
    if_match: Option<&'c str>,
}

impl Client {
    /// The service at `server`, asked with a token.
    pub fn new(server: &str, token: &str, account: Option<&str>, surroundings: Surroundings) -> Result<Self> {
        let base = address(server)?;
        let mut headers = HeaderMap::new();
        let bearer = Zeroizing::new(format!("Bearer {token}"));
        let mut bearer = HeaderValue::from_str(&bearer)
            .map_err(|_| Error::Usage("the token holds what no token holds; is it one line?".into()))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
        if let Some(account) = account {
            let named = HeaderValue::from_str(account)
                .map_err(|_| Error::Usage(format!("{account:?} is no account's id or name")))?;
            headers.insert(ACCOUNT, named);
        }
        let http = Http::builder()
            .user_agent(concat!("snaphold/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(Policy::none())
            .connect_timeout(CONNECT_WITHIN)
            .timeout(ANSWER_WITHIN)
            .build()
            .map_err(|error| Error::Failed(format!("cannot ask a service: {}", innermost(&error))))?;
        Ok(Self { http, base, surroundings })
    }

    /// Whether the token goes over a network where others could read it.
    pub fn is_exposed(&self) -> bool {
        let host = self.base.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        self.base.scheme() == "http" && !is_here
    }

    /// Random hexadecimal digits.
    fn key(&self) -> String {
        let mut bytes = [0; 16];
        self.surroundings.entropy.fill(&mut bytes);
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Url> {
        if let Some(part) = path.iter().find(|part| matches!(**part, "" | "." | "..")) {
            return Err(Error::NotFound(format!("nothing is called {part:?}")));
        }
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }

    /// What is at an address.
    pub fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T> {
        let url = self.url(path, query)?;
        self.read(self.call(&Call { method: Method::GET, url, body: None, if_match: None })?)
    }

    /// Asks for something to be done; once, however often the connection fails.
    pub fn post<T: DeserializeOwned>(&self, path: &[&str], body: &Value) -> Result<T> {
        let url = self.url(path, &[])?;
        self.read(self.call(&Call { method: Method::POST, url, body: Some(body), if_match: None })?)
    }

    /// Changes what has an ETag.
    pub fn change<T: DeserializeOwned>(&self, method: Method, path: &[&str], etag: &str, body: &Value) -> Result<T> {
        let url = self.url(path, &[])?;
        self.read(self.call(&Call { method, url, body: Some(body), if_match: Some(etag) })?)
    }

    /// Takes something away; an answer with nothing in it is `null`.
    pub fn delete<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T> {
        let url = self.url(path, &[])?;
        self.read(self.call(&Call { method: Method::DELETE, url, body: None, if_match: None })?)
    }

    /// Sends one request, once: for streams, which know themselves where to go on. An error of the connection is
    /// `Error::Busy`: it may be tried again.
    pub fn stream(
        &self,
        method: Method,
        path: &[&str],
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response> {
        let sent = with(self.http.request(method, self.url(path, &[])?)).send();
        let response = sent.map_err(|error| Error::Busy(self.unreachable(&error)))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status if is_passing(status) => Err(Error::Busy(refusal(response).error.to_string())),
            _ => Err(refusal(response).error),
        }
    }

    fn call(&self, call: &Call<'_>) -> Result<Response> {
        let key = self.key();
        let (mut failed, mut waited) = (0, 0);
        loop {
            let mut request = self.http.request(call.method.clone(), call.url.clone());
            if call.method == Method::POST {
                request = request.header(IDEMPOTENCY_KEY, &key);
            }
            if let Some(etag) = call.if_match {
                request = request.header(IF_MATCH, format!("\"{etag}\""));
            }
            if let Some(body) = call.body {
                request = request.json(body);
            }
            // Whether it was done is not known where an answer is lost. To look, or to say so with a key, does no harm.
            let is_safe = matches!(call.method, Method::GET | Method::POST);
            match request.send() {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let Refusal { error, wait } = refusal(response);
                    // A request that took too long may have been done: only what is safe is sent again.
                    let wait = wait.filter(|wait| waited < WAITS && (is_safe || !wait.is_unsure));
                    let Some(wait) = wait else { return Err(error) };
                    waited += 1;
                    sleep(wait.time.min(WAIT_MAX));
                }
                Err(error) => {
                    let again = AGAIN_AFTER.get(failed).filter(|_| is_safe || error.is_connect());
                    let Some(again) = again else { return Err(Error::Failed(self.unreachable(&error))) };
                    failed += 1;
                    sleep(*again);
                }
            }
        }
    }

    fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T> {
        let wrong = |why: String| {
            Error::Failed(format!("the answer of {} cannot be read: {why}; is it a snaphold service?", self.base))
        };
        let mut text = Vec::new();
        response.take(ANSWER_MAX).read_to_end(&mut text).map_err(|error| wrong(error.to_string()))?;
        let text: &[u8] = if text.is_empty() { b"null" } else { &text };
        serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))
    }

    fn unreachable(&self, error: &reqwest::Error) -> String {
        format!("cannot reach the service at {}: {}", self.base, innermost(error))
    }
}

/// The service's address. A secret does not belong into it: other users of the machine see command lines.
fn address(server: &str) -> Result<Url> {
    let wrong = |why: &str| Error::Usage(format!("--server {why}; write it as https://snaphold.example.com"));
    let url: Url = server.parse().map_err(|_| wrong("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("is no http or https URL"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("holds more than an address"));
    }
    Ok(url)
}

/// What is deepest in a chain of errors says what was wrong.
fn innermost(error: &reqwest::Error) -> String {
    let mut at: &dyn std::error::Error = error;
    while let Some(source) = at.source() {
        at = source;
    }
    match error.is_timeout() {
        true => "it does not answer".to_string(),
        false => at.to_string(),
    }
}

fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 502 | 503 | 504)
}

/// Why a request was not done, as if it had been refused here.
struct Refusal {
    error: Error,
    wait: Option<Wait>,
}

/// That the same may be asked again.
struct Wait {
    time: Duration,
    /// Whether it may have been done all the same.
    is_unsure: bool,
}

fn refusal(response: Response) -> Refusal {
    let status = response.status();
    let told = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let time = Duration::from_secs(told.unwrap_or(1));
    if status.is_redirection() {
        let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("another address");
        let error = Error::Failed(format!("the service is at {to}; give that as --server"));
        return Refusal { error, wait: None };
    }
    let mut text = Vec::new();
    let read = response.take(1 << 20).read_to_end(&mut text);
    let problem = read.ok().and_then(|_| serde_json::from_slice::<Problem>(&text).ok());
    let Some(problem) = problem else {
        let error = Error::Failed(format!("the service answered {status}, and not as a snaphold service does"));
        let wait = is_passing(status).then_some(Wait { time, is_unsure: true });
        return Refusal { error, wait };
    };
    let name = problem.kind.rsplit('/').next().unwrap_or_default();
    let wait = match name {
        "too-many-requests" => Some(Wait { time, is_unsure: false }),
        "request-in-progress" | "unavailable" => Some(Wait { time, is_unsure: true }),
        _ => None,
    };
    Refusal { error: of_problem(name, problem.detail), wait }
}

fn of_problem(name: &str, detail: String) -> Error {
    match name {
        "not-found" => Error::NotFound(detail),
        "malformed-request" | "invalid-value" | "too-large" | "unsupported-media-type" => Error::Usage(detail),
        "unauthenticated" | "forbidden" | "refused" | "confirmation-required" | "precondition-failed" => {
            Error::Refused(detail)
        }
        "busy" | "request-in-progress" | "too-many-requests" => Error::Busy(detail),
        "damaged" => of_kind("damaged", detail),
        _ => Error::Failed(detail),
    }
}

/// An error of its kind's word and its text.
pub fn of_kind(kind: &str, text: String) -> Error {
    match kind {
        "usage" => Error::Usage(text),
        "not_found" => Error::NotFound(text),
        "refused" => Error::Refused(text),
        "busy" => Error::Busy(text),
        "cancelled" => Error::Cancelled,
        "damaged" => match text.split_once(" is damaged: ") {
            Some((object, detail)) => Error::damaged(object, detail),
            None => Error::damaged("something in the repository", text),
        },
        _ => Error::Failed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_address_and_no_more() {
        for server in ["http://127.0.0.1:8300", "https://snaphold.example.com/", "https://example.com/snaphold"] {
            assert!(address(server).is_ok(), "{server}");
        }
        for server in ["", "localhost:8300", "ftp://example.com", "https://me:secret@example.com", "https://e.com?t=1"]
        {
            let refused = address(server).unwrap_err();
            assert_eq!(refused.kind().exit_code(), 2, "{server}");
            assert!(!refused.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_token_is_exposed_on_a_network_without_tls() {
        let system = crate::cli::surroundings::real();
        let is_exposed = |server: &str| Client::new(server, "t", None, system.clone()).unwrap().is_exposed();
        for server in ["http://127.0.0.1:1", "http://[::1]:1", "http://localhost", "https://example.com"] {
            assert!(!is_exposed(server), "{server}");
        }
        assert!(is_exposed("http://example.com") && is_exposed("http://192.0.2.1:8300"));
    }

    #[test]
    fn an_error_comes_back_with_its_kind_and_its_text() {
        let errors = [
            Error::Usage("a".into()),
            Error::NotFound("b".into()),
            Error::Refused("c".into()),
            Error::Busy("d".into()),
            Error::damaged("packs/ab", "it is short"),
            Error::Cancelled,
            Error::Failed("e".into()),
        ];
        for error in errors {
            let again = of_kind(error.kind().as_str(), error.to_string());
            assert_eq!((again.kind(), again.to_string()), (error.kind(), error.to_string()));
        }
    }
}
