//! Tokens and sessions that count, and those that do not.

use jiff::{SignedDuration, Timestamp};
use reqwest::RequestBuilder;
use serde_json::json;
use snaphold::server::auth::{Auth, Origin};
use snaphold::server::fault::Problem;

use super::server::{ADMIN, Answer, Api};

#[tokio::test(flavor = "multi_thread")]
async fn forged_revoked_and_expired_tokens_open_nothing() {
    let api = Api::start().await;
    let made = api.post("/v1/tokens", json!({ "name": "a", "scopes": ["read"] })).await.is(201);
    let (id, secret) = (made.text("/token/id"), made.text("/secret"));
    let whoami = |token: String| Answer::of(api.ask("GET", "/v1/whoami", &token));
    whoami(secret.clone()).await.is(200);
    let forged = [
        format!("sh_{id}_{}", "0".repeat(48)),
        format!("sh_{id}_"),
        format!("{secret}0"),
        secret[..secret.len() - 1].to_string(),
        secret.to_uppercase(),
        format!("sh_t0000000000000000_{}", secret.rsplit('_').next().unwrap()),
        id.clone(),
        ADMIN.to_uppercase(),
        "x".repeat(10_000),
    ];
    for token in forged {
        whoami(token.clone()).await.tells_problem(401, "unauthenticated");
    }
    for value in ["Bearer", "Bearer ", "Basic YTpi", "bearer\u{a0}x"] {
        let request = api.ask("GET", "/v1/whoami", "").header("Authorization", value.as_bytes());
        Answer::of(request).await.tells_problem(401, "unauthenticated");
    }
    let soon = Timestamp::now() + SignedDuration::from_millis(1500);
    let body = json!({ "name": "b", "scopes": ["read"], "expires_at": soon });
    let brief = api.post("/v1/tokens", body).await.is(201).text("/secret");
    whoami(brief.clone()).await.is(200);
    let past = json!({ "name": "c", "scopes": ["read"], "expires_at": "2001-01-01T00:00:00Z" });
    api.post("/v1/tokens", past).await.tells_problem(422, "invalid-value");
    assert!(api.delete(&format!("/v1/tokens/{id}")).await.is(200).json["revoked_at"].is_string());
    whoami(secret).await.tells_problem(401, "unauthenticated");
    while Timestamp::now() <= soon {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    whoami(brief).await.tells_problem(401, "unauthenticated");
    // The list shows no secret, and nobody revokes another account's.
    let listed = api.get("/v1/tokens").await.is(200);
    assert!(!String::from_utf8_lossy(&listed.bytes).contains("sh_t"));
    let (_, admin) = api.account("other").await;
    Answer::of(api.ask("DELETE", &format!("/v1/tokens/{id}"), &admin)).await.tells_problem(404, "not-found");
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_needs_its_cookie_and_for_changes_its_csrf_token() {
    let api = Api::start().await;
    let body = json!({ "email": "Ann@Example.com", "password": "a long password", "role": "operator" });
    let user = api.post("/v1/users", body.clone()).await.is(201);
    assert_eq!(user.text("/email"), "ann@example.com");
    api.post("/v1/users", body).await.tells_problem(409, "refused");
    for (field, value) in [("email", "no address"), ("password", "short")] {
        let mut body = json!({ "email": "b@example.com", "password": "a long password", "role": "viewer" });
        body[field] = value.into();
        assert_eq!(api.post("/v1/users", body).await.tells_problem(422, "invalid-value").json["field"], field);
    }
    let auth = Auth::new(api.server().state.catalog.clone());
    let origin = Origin::default();
    for (email, password) in [("ann@example.com", "a long passwore"), ("bob@example.com", "a long password"), ("", "")]
    {
        assert_eq!(auth.sign_in(email, password, &origin).await.unwrap_err().problem, Problem::Unauthenticated);
    }
    let signed = auth.sign_in(" ANN@example.com", "a long password", &origin).await.unwrap();
    let with =
        |request: RequestBuilder, cookie: &str| request.header("Cookie", format!("a=b; snaphold_session={cookie}"));
    let get = |cookie: String| Answer::of(with(api.ask("GET", "/v1/whoami", ""), &cookie));
    assert_eq!(get(signed.cookie.clone()).await.is(200).text("/actor"), format!("user:{}", user.text("/id")));
    let (id, own) = signed.cookie.split_once('.').unwrap();
    for forged in
        [format!("{id}.{}", "0".repeat(48)), format!("{own}.{id}"), id.to_string(), String::new(), "x".repeat(9000)]
    {
        get(forged).await.tells_problem(401, "unauthenticated");
    }
    let post = |csrf: Option<&str>| {
        let request = with(api.ask("POST", "/v1/gc", ""), &signed.cookie);
        Answer::of(if let Some(csrf) = csrf { request.header("X-CSRF-Token", csrf) } else { request })
    };
    for csrf in [None, Some(""), Some("0"), Some(signed.cookie.as_str())] {
        post(csrf).await.tells_problem(403, "forbidden");
    }
    post(Some(&signed.csrf)).await.is(202);
    // A change of the user ends the session; a disabled user opens none.
    let patch = |body| {
        Answer::of(
            api.ask("PATCH", &format!("/v1/users/{}", user.text("/id")), ADMIN).header("If-Match", "*").json(&body),
        )
    };
    patch(json!({ "disabled": true })).await.is(200);
    get(signed.cookie.clone()).await.tells_problem(401, "unauthenticated");
    assert!(auth.sign_in("ann@example.com", "a long password", &origin).await.is_err());
    patch(json!({ "disabled": false, "password": "another password" })).await.is(200);
    let again = auth.sign_in("ann@example.com", "another password", &origin).await.unwrap();
    get(again.cookie.clone()).await.is(200);
    auth.sign_out(&again.cookie).await.unwrap();
    get(again.cookie).await.tells_problem(401, "unauthenticated");
    // Guessing is slow.
    let mut problems = Vec::new();
    for _ in 0..14 {
        problems.push(auth.sign_in("guessed@example.com", "a long password", &origin).await.unwrap_err().problem);
    }
    assert!(problems.contains(&Problem::TooManyRequests), "{problems:?}");
    api.stop().await;
}
