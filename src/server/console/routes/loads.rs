//! Loading a dump by a plain form. The script sends the file in pieces instead, as REST takes them.

use axum::extract::Path;
use axum::extract::multipart::{Field, Multipart, MultipartRejection};
use axum::response::Response;
use maud::Markup;

use crate::server::actions::loads::{self as actions, CompleteLoad, NewLoad};
use crate::server::auth::Right;
use crate::server::console::link;
use crate::server::console::pages::load;
use crate::server::console::view::{Filled, Section};
use crate::server::fault::{Fault, Outcome, Problem};

use super::gather;
use super::sent::{Values, value};
use super::visit::{Visitor, refused};

const HERE: Section = Section::Instances;
/// A field that is no file is at most so long, bytes.
const FIELD_MAX: usize = 16 << 10;
/// Bytes that are written at once.
const PIECE: usize = 1 << 20;

async fn page(visitor: &Visitor, name: &str, filled: &Filled) -> Outcome<Markup> {
    Ok(load::load(&visitor.shell, &gather::instance_row(visitor, name).await?, filled))
}

/// The form.
pub async fn form(visitor: Visitor, Path(name): Path<String>) -> Response {
    let page = page(&visitor, &name, &Filled::default()).await;
    visitor.show(HERE, page)
}

fn cut(_: impl std::error::Error) -> Fault {
    Fault::new(Problem::MalformedRequest, "the upload was cut; send the file again")
}

/// Takes the file in, and loads it.
pub async fn send(visitor: Visitor, Path(name): Path<String>, sent: Result<Multipart, MultipartRejection>) -> Response {
    let mut values = Values::new();
    let done = async {
        let sent = sent.map_err(cut)?;
        receive(&visitor, &name, sent, &mut values).await
    };
    match done.await {
        Ok(job) => visitor.go(&link::job(&job, ""), "loading"),
        Err(fault) => {
            let page = page(&visitor, &name, &refused(&values, &fault, &["confirm", "description"])).await;
            visitor.show_again(HERE, &fault, page)
        }
    }
}

/// The fields come in the order of the form: what is asked for before the file, and the file last.
async fn receive(visitor: &Visitor, name: &str, mut sent: Multipart, values: &mut Values) -> Outcome<String> {
    let (desk, who) = (&visitor.desk, &visitor.who);
    while let Some(field) = sent.next_field().await.map_err(cut)? {
        let called = field.name().unwrap_or_default().to_string();
        if called != "file" {
            values.push((called, text(field).await?));
            continue;
        }
        // All that can be refused is refused before a long upload.
        desk.auth.check_csrf(&visitor.shell.csrf, value(values, "csrf"))?;
        desk.need(who, Right::Operate)?;
        actions::confirmed(desk, who, name, value(values, "confirm")).await?;
        let file_name = field.file_name().unwrap_or("dump").to_string();
        let upload = actions::begin(desk, who, name, NewLoad { file_name, length: None }).await?;
        let stored = store(visitor, &upload.id, field).await;
        let request = CompleteLoad {
            confirm: value(values, "confirm").map(str::to_string),
            description: value(values, "description").filter(|text| !text.is_empty()).map(str::to_string),
            retention_days: None,
            no_safety: value(values, "safety").is_none(),
        };
        let loaded = match stored {
            Ok(()) => actions::complete(desk, who, &upload.id, request).await,
            Err(fault) => Err(fault),
        };
        return match loaded {
            Ok(taking) => Ok(taking.job.id),
            Err(fault) => {
                actions::cancel(desk, who, &upload.id).await?;
                Err(fault)
            }
        };
    }
    Err(Fault::invalid("file", "choose a file"))
}

async fn text(mut field: Field<'_>) -> Outcome<String> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await.map_err(cut)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > FIELD_MAX {
            return Err(Fault::new(Problem::TooLarge, "a field of the form is too long"));
        }
    }
    String::from_utf8(bytes).map_err(cut)
}

async fn store(visitor: &Visitor, upload: &str, mut field: Field<'_>) -> Outcome<()> {
    let mut part = actions::take_up(&visitor.desk, &visitor.who, upload, None).await?;
    let mut left = part.left(&visitor.desk);
    let mut buffer = Vec::with_capacity(PIECE);
    while let Some(piece) = field.chunk().await.map_err(cut)? {
        left = left
            .checked_sub(piece.len() as u64)
            .ok_or_else(|| Fault::new(Problem::TooLarge, "the file is larger than an upload may be"))?;
        buffer.extend_from_slice(&piece);
        if buffer.len() >= PIECE {
            part = actions::receive(part, std::mem::replace(&mut buffer, Vec::with_capacity(PIECE))).await?;
        }
    }
    if !buffer.is_empty() {
        part = actions::receive(part, buffer).await?;
    }
    actions::keep(&visitor.desk, part).await.map(drop)
}
