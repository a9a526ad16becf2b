//! How far a job is. The script finds these by `data-job` and keeps them up to date from the stream of events.

use maud::{Markup, html};

use super::text::{job as job_words, size, status};
use crate::server::actions::jobs::Job;
use crate::server::console::link;

/// What a job does now, in words.
pub fn words(job: &Job) -> String {
    match job.status.as_str() {
        "running" if job.cancel_requested => "stopping".into(),
        "running" => job.stage.clone().unwrap_or_else(|| "starting".into()),
        "queued" => "waiting for its turn".into(),
        other => status(other).to_lowercase(),
    }
}

/// How many bytes are done, in words.
pub fn amount(job: &Job) -> String {
    match (bytes(job.bytes_done), job.bytes_total.map(bytes)) {
        (done, Some(total)) => format!("{} of {}", size(done), size(total)),
        (0, None) => String::new(),
        (done, None) => size(done),
    }
}

/// A count of bytes, which is never negative.
pub fn bytes(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

/// How much of its stage is done, in whole percent.
pub fn percent(job: &Job) -> Option<u8> {
    job.percent.map(|percent| percent.clamp(0.0, 100.0) as u8)
}

/// A bar in a list: stage, bar, percent. Links to the job.
pub fn line(job: &Job) -> Markup {
    html! {
        div class="progress" data-job=(job.id) data-status=(job.status) {
            a class="stage" href=(link::job(&job.id, "")) data-part="stage" { (words(job)) }
            (bar(job))
            span class="percent" data-part="percent" {
                @if let Some(percent) = percent(job) { (percent) " %" }
            }
        }
    }
}

/// The bar of a job's own page, with all that is known.
pub fn large(job: &Job) -> Markup {
    html! {
        section class="progress large" data-job=(job.id) data-status=(job.status) aria-label="Progress" {
            div class="row" {
                span { strong { (job_words(&job.kind)) } ": " a href=(link::job(&job.id, "")) data-part="stage" { (words(job)) } }
                span data-part="percent" { @if let Some(percent) = percent(job) { (percent) " %" } }
            }
            (bar(job))
            div class="row quiet" { span data-part="amount" { (amount(job)) } }
        }
    }
}

fn bar(job: &Job) -> Markup {
    html! { progress max="100" value=[percent(job)] aria-label="Progress of the job" {} }
}
