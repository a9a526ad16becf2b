//! How far a job is. The script finds these by `data-job` and keeps them up to date from the stream of events.

use maud::{Markup, html};

use super::text::{job as job_words, size, status};
use crate::server::console::link;
use crate::server::console::view::JobView;

/// What a job does now, in words.
pub fn words(job: &JobView) -> String {
    match job.status.as_str() {
        "running" if job.cancel_requested => "stopping".into(),
        "running" if job.stage.is_empty() => "starting".into(),
        "running" => job.stage.clone(),
        "queued" => "waiting for its turn".into(),
        other => status(other).to_lowercase(),
    }
}

/// How many bytes are done, in words.
pub fn amount(job: &JobView) -> String {
    match (job.bytes_done, job.bytes_total) {
        (done, Some(total)) => format!("{} of {}", size(done), size(total)),
        (0, None) => String::new(),
        (done, None) => size(done),
    }
}

/// A bar in a list: stage, bar, percent. Links to the job.
pub fn line(job: &JobView) -> Markup {
    html! {
        div class="progress" data-job=(job.id) data-status=(job.status) {
            a class="stage" href=(link::job(&job.id, "")) data-part="stage" { (words(job)) }
            (bar(job))
            span class="percent" data-part="percent" {
                @if let Some(percent) = job.percent() { (percent) " %" }
            }
        }
    }
}

/// The bar of a job's own page, with all that is known.
pub fn large(job: &JobView) -> Markup {
    html! {
        section class="progress large" data-job=(job.id) data-status=(job.status) aria-label="Progress" {
            div class="row" {
                span { strong { (job_words(&job.kind)) } ": " a href=(link::job(&job.id, "")) data-part="stage" { (words(job)) } }
                span data-part="percent" { @if let Some(percent) = job.percent() { (percent) " %" } }
            }
            (bar(job))
            div class="row quiet" { span data-part="amount" { (amount(job)) } }
        }
    }
}

fn bar(job: &JobView) -> Markup {
    html! { progress max="100" value=[job.percent()] aria-label="Progress of the job" {} }
}
