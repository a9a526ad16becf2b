//! Files that are sent: whole or in part, in constant memory.

use std::io::SeekFrom;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE,
    RANGE,
};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::error::Error;
use crate::server::actions::exports::Download;
use crate::server::actions::open_export;
use crate::server::fault::{Fault, Problem};
use crate::server::jobs::blocking;

use super::extract::header;
use super::problem::{Answer, Refusal};

/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;

/// What of a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// From the first byte up to the last, both included.
    Range(u64, u64),
    /// Nothing of what is there.
    Outside,
    /// The client has it.
    NotModified,
}

/// A file that is about to be sent.
pub struct Sending {
    file: File,
    length: u64,
    part: Part,
}

/// Opens a file, and finds out which part of it is asked for.
pub async fn open(download: &Download, headers: &HeaderMap) -> Answer<Sending> {
    let path = download.path.clone();
    let (mut file, length) = blocking(move || open_export(&path)).await?;
    let part = part(headers, &download.etag, length);
    if let Part::Range(first, _) = part {
        let sought = file.seek(SeekFrom::Start(first)).await;
        sought.map_err(|error| Error::source(download.path.clone(), error))?;
    }
    Ok(Sending { file, length, part })
}

impl Sending {
    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        match self.part {
            Part::Whole => StatusCode::OK,
            Part::Range(..) => StatusCode::PARTIAL_CONTENT,
            Part::Outside => StatusCode::RANGE_NOT_SATISFIABLE,
            Part::NotModified => StatusCode::NOT_MODIFIED,
        }
    }

    /// The first byte that is sent.
    pub fn first(&self) -> u64 {
        match self.part {
            Part::Range(first, _) => first,
            _ => 0,
        }
    }

    /// The answer.
    pub fn response(self, download: &Download) -> Answer<Response<Body>> {
        let (status, length) = (self.status(), self.length);
        let value = |text: String| HeaderValue::from_str(&text).map_err(|error| Refusal(Fault::internal(error)));
        if self.part == Part::Outside {
            let fault = Fault::new(Problem::RangeNotSatisfiable, format!("the file has {length} bytes"));
            let mut response = Refusal(fault).into_response();
            response.headers_mut().insert(CONTENT_RANGE, value(format!("bytes */{length}"))?);
            return Ok(response);
        }
        let (first, count) = match self.part {
            Part::Range(first, last) => (first, last - first + 1),
            Part::NotModified => (0, 0),
            _ => (0, length),
        };
        let reader = self.file.take(count);
        let mut response = Response::new(Body::from_stream(ReaderStream::with_capacity(reader, PIECE)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert(CONTENT_DISPOSITION, value(format!("attachment; filename=\"{}\"", plain(&download.name)))?);
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(ETAG, value(format!("\"{}\"", download.etag))?);
        if status != StatusCode::NOT_MODIFIED {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(count));
        }
        if status == StatusCode::PARTIAL_CONTENT {
            headers.insert(CONTENT_RANGE, value(format!("bytes {first}-{}/{length}", first + count - 1))?);
        }
        Ok(response)
    }
}

/// A name that needs no quoting.
fn plain(name: &str) -> String {
    name.chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || ".-_".contains(letter) { letter } else { '_' })
        .collect()
}

fn part(headers: &HeaderMap, etag: &str, length: u64) -> Part {
    let is_own = |tag: &str| tag.trim().trim_matches('"') == etag;
    if header(headers, &IF_NONE_MATCH).is_some_and(|tags| tags == "*" || tags.split(',').any(is_own)) {
        return Part::NotModified;
    }
    let Some(range) = header(headers, &RANGE) else { return Part::Whole };
    // A range of another file's bytes would not fit.
    if header(headers, &IF_RANGE).is_some_and(|tag| !is_own(tag)) {
        return Part::Whole;
    }
    read_range(range, length)
}

/// One range of bytes. What is no such range is passed over, as RFC 9110 asks; so are several.
fn read_range(text: &str, length: u64) -> Part {
    let Some(range) = text.strip_prefix("bytes=").filter(|range| !range.contains(',')) else { return Part::Whole };
    let Some((first, last)) = range.trim().split_once('-') else { return Part::Whole };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    let (first, last) = match (is_number(first), is_number(last)) {
        (true, true) if number(first) > number(last) => return Part::Whole,
        (true, true) => (number(first), number(last)),
        (true, false) if last.is_empty() => (number(first), u64::MAX),
        (false, true) if first.is_empty() => match number(last) {
            0 => return Part::Outside,
            count => (length.saturating_sub(count), u64::MAX),
        },
        _ => return Part::Whole,
    };
    match first < length {
        true => Part::Range(first, last.min(length - 1)),
        false => Part::Outside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        for (text, part) in [
            ("bytes=0-0", Part::Range(0, 0)),
            ("bytes=0-99", Part::Range(0, 9)),
            ("bytes=5-", Part::Range(5, 9)),
            ("bytes=-3", Part::Range(7, 9)),
            ("bytes=-30", Part::Range(0, 9)),
            ("bytes=10-", Part::Outside),
            ("bytes=-0", Part::Outside),
            ("bytes=99999999999999999999-", Part::Outside),
            ("bytes=5-2", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("chunks=0-1", Part::Whole),
            ("bytes=", Part::Whole),
            ("bytes=-", Part::Whole),
        ] {
            assert_eq!(read_range(text, 10), part, "{text}");
        }
        assert_eq!(read_range("bytes=0-", 0), Part::Outside);
    }

    #[test]
    fn a_range_counts_only_for_the_same_bytes() {
        let headers = |pairs: &[(axum::http::HeaderName, &'static str)]| -> HeaderMap {
            pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
        };
        assert_eq!(part(&headers(&[(RANGE, "bytes=2-"), (IF_RANGE, "\"a\"")]), "a", 10), Part::Range(2, 9));
        assert_eq!(part(&headers(&[(RANGE, "bytes=2-"), (IF_RANGE, "\"b\"")]), "a", 10), Part::Whole);
        assert_eq!(part(&headers(&[(IF_NONE_MATCH, "\"x\", \"a\"")]), "a", 10), Part::NotModified);
    }
}
