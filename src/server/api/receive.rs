//! Uploads that come in: straight to disk, in constant memory; what came stays where a connection is cut.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::server::actions::Desk;
use crate::server::actions::loads::{self, Load, Part};
use crate::server::fault::{Fault, Problem};

use super::extract::header;
use super::problem::{Answer, Refusal};

/// How many bytes are there.
pub const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
/// How many there will be.
pub const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");

/// Kinds of bodies that are parts of uploads: of tus, of the IETF's resumable uploads, and any bytes.
const KIND: &str = "application/offset+octet-stream";
const KINDS: [&str; 3] = [KIND, "application/partial-upload", "application/octet-stream"];
/// Who sends nothing for so long has gone.
const IDLE: Duration = Duration::from_secs(60);
/// Bytes that are written at once.
const PIECE: usize = 1 << 20;
/// What came is made durable after so many bytes.
const KEPT_EVERY: u64 = 64 << 20;

/// Whether a body is of a kind that is taken.
pub fn check_kind(headers: &HeaderMap) -> Answer<()> {
    let kind = header(headers, &CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default();
    match KINDS.contains(&kind.trim().to_ascii_lowercase().as_str()) {
        true => Ok(()),
        false => {
            let detail = format!("send a part of an upload with Content-Type: {KIND}");
            Err(Refusal(Fault::new(Problem::UnsupportedMediaType, detail)))
        }
    }
}

/// Takes in a body. Where it is cut, too long or too slow, what came of it is kept all the same.
pub async fn receive(desk: &Desk, part: Part, body: Body) -> Answer<Load> {
    let mut stream = body.into_data_stream();
    let mut left = part.left(desk);
    let mut part = part;
    let (mut buffer, mut unkept) = (Vec::with_capacity(PIECE), 0u64);
    let failure = loop {
        let bytes = match timeout(IDLE, stream.next()).await {
            Ok(Some(Ok(bytes))) => bytes,
            Ok(None) => break None,
            Ok(Some(Err(_))) => {
                break Some(Fault::new(Problem::MalformedRequest, "the upload was cut; go on at its offset"));
            }
            Err(_) => {
                break Some(Fault::new(Problem::RequestTimeout, "the upload came too slowly; go on at its offset"));
            }
        };
        if bytes.len() as u64 > left {
            break Some(Fault::new(
                Problem::TooLarge,
                "more was sent than the upload's length says, or than an upload may be",
            ));
        }
        left -= bytes.len() as u64;
        buffer.extend_from_slice(&bytes);
        if buffer.len() >= PIECE {
            unkept += buffer.len() as u64;
            part = loads::receive(part, std::mem::replace(&mut buffer, Vec::with_capacity(PIECE))).await?;
        }
        if unkept >= KEPT_EVERY {
            (part, _) = loads::keep(desk, part).await?;
            unkept = 0;
        }
    };
    if !buffer.is_empty() {
        part = loads::receive(part, buffer).await?;
    }
    let (_, load) = loads::keep(desk, part).await?;
    match failure {
        None => Ok(load),
        Some(fault) => Err(fault.into()),
    }
}
