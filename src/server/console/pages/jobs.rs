//! Jobs: what runs, what waits, what is done.

use maud::{Markup, html};
use serde_json::Value;

use super::snapshots::pages;
use crate::server::actions::jobs::Job;
use crate::server::console::layout::page;
use crate::server::console::link;
use crate::server::console::parts::basics::{dialog_link, empty, facts, heading, icon, notice, status};
use crate::server::console::parts::field::button;
use crate::server::console::parts::progress;
use crate::server::console::parts::text::{ago, count, full, job as job_words, size, took};
use crate::server::console::view::{Paging, Section, Shell};

const HERE: Section = Section::Jobs;

/// All jobs, newest first. `state` is what is shown of them: `""`, `open`, `failed`.
pub fn list(shell: &Shell, jobs: &[Job], state: &str, paging: &Paging) -> Markup {
    let states = [("", "All"), ("open", "Running and waiting"), ("failed", "Failed")];
    let body = html! {
        (heading("Jobs", None, html! {}))
        nav class="tabs" aria-label="Which jobs" {
            @for (value, words) in states {
                a href=(link::with_query("/console/jobs", &[("state", value)])) aria-current=[(value == state).then_some("page")] { (words) }
            }
        }
        div id="results" data-refresh {
            @if jobs.is_empty() {
                (empty("jobs", "No job", if state.is_empty() { "Whatever takes a while is a job: snapshots, restores, exports. They are listed here once there are some." } else { "There is none of that kind now." }, html! {}))
            } @else { (table(shell, jobs)) (pages(paging)) }
        }
    };
    page(shell, HERE, "Jobs", body)
}

fn table(shell: &Shell, jobs: &[Job]) -> Markup {
    html! {
        table class="list" {
            thead { tr { th scope="col" { "Job" } th scope="col" { "Instance" } th scope="col" { "Status" } th scope="col" { "Asked for" } th scope="col" class="number" { "Took" } } }
            tbody {
                @for job in jobs {
                    tr {
                        th scope="row" class="lead" { a class="name" href=(link::job(&job.id, "")) { (job_words(&job.kind)) } span class="sub" { "by " (job.created_by) } }
                        td data-label="Instance" { @if let Some(name) = &job.instance { a href=(link::instance(name, "")) { (name) } } @else { span class="quiet" { "–" } } }
                        td data-label="Status" {
                            @if !job.is_over() { (progress::line(job)) } @else { (status(&job.status)) }
                            @if let Some(error) = &job.error { p class="reason" { (error.message) } }
                        }
                        td data-label="Asked for" { (ago(shell, job.created_at)) }
                        td data-label="Took" class="number" { @if let (Some(from), Some(to)) = (job.started_at, job.finished_at) { (took(from, to)) } @else { span class="quiet" { "–" } } }
                    }
                }
            }
        }
    }
}

/// One job.
pub fn show(shell: &Shell, job: &Job) -> Markup {
    let title = job_words(&job.kind);
    let body = html! {
        nav class="crumbs" aria-label="Where this is" { a href="/console/jobs" { "Jobs" } (icon("chevron")) }
        header class="heading" {
            div {
                div class="title" { h1 { (title) @if let Some(name) = &job.instance { " · " (name) } } (status(&job.status)) }
                p class="about" { code { (job.id) } }
            }
            @if shell.may_operate() && !job.is_over() && !job.cancel_requested {
                div class="actions" { (button(shell, &link::job(&job.id, "cancel"), "", Some("close"), "Cancel")) }
            }
        }
        div id="results" data-refresh {
            @if !job.is_over() { (progress::large(job)) }
            @if !job.is_over() && job.cancel_requested { (notice("calm", "It was asked to stop, and stops as soon as it safely can.")) }
            @if let Some(error) = &job.error { (notice("bad", &error.message)) }
            @if job.status == "succeeded" { (outcome(shell, job)) }
            section class="panel" {
                h2 { "Details" }
                (facts(&[
                    ("Asked for", Some(html! { (full(shell, job.created_at)) " by " (job.created_by) })),
                    ("Begun", job.started_at.map(|at| html! { (full(shell, at)) })),
                    ("Over", job.finished_at.map(|at| html! { (full(shell, at)) })),
                    ("Took", job.started_at.zip(job.finished_at).map(|(from, to)| html! { (took(from, to)) })),
                    ("Waited", job.started_at.map(|at| html! { (took(job.created_at, at)) })),
                    ("Instance", job.instance.as_ref().map(|name| html! { a href=(link::instance(name, "")) { (name) } })),
                    ("Snapshot", job.snapshot.as_ref().map(|id| html! { a href=(link::snapshot(id, "")) { code { (id) } } })),
                    ("Attempt", (job.attempt > 1).then(|| html! { (job.attempt) ": the process that did it before was stopped" })),
                ]))
            }
        }
    };
    page(shell, HERE, &format!("{title} · {}", job.id), body)
}

/// What came of a job, as far as there is something to say of its kind.
fn outcome(shell: &Shell, job: &Job) -> Markup {
    let result = job.result.as_ref().unwrap_or(&Value::Null);
    let text = |name: &str| result.get(name).and_then(Value::as_str);
    let bytes = |name: &str| result.get(name).and_then(Value::as_u64).map(|bytes| html! { (size(bytes)) });
    let number = |name: &str| {
        result.get(name).and_then(Value::as_u64).filter(|number| *number > 0).map(|number| html! { (count(number)) })
    };
    let export = text("export").map(|id| format!("/v1/exports/{}/content", link::encoded(id)));
    let safety = text("safety_snapshot");
    html! {
        section class="panel outcome" {
            h2 { "What came of it" }
            @if let Some(export) = &export {
                p { a class="button primary" href=(export) { (icon("download")) "Download" @if let Some(bytes) = bytes("bytes") { " (" (bytes) ")" } } }
            }
            (facts(&[
                ("Size", bytes("bytes_total")),
                ("Added", bytes("bytes_stored")),
                ("Written", bytes("bytes_written")),
                ("Left as it was", bytes("bytes_unchanged")),
                ("Files changed", number("files_changed")),
                ("New instance", text("instance").filter(|name| Some(*name) != job.instance.as_deref()).map(|name| html! { a href=(link::instance(name, "")) { (name) } })),
                ("Freed", bytes("bytes_freed")),
            ]))
            (checks(result))
            @if let Some(id) = safety {
                p { "The state before is kept: " a href=(link::snapshot(id, "")) { "safety snapshot " code { (id) } } "." }
                @if shell.may_operate() && job.kind == "restore" {
                    (dialog_link(&link::snapshot(id, "undo"), "", Some("restore"), "Undo this restore…"))
                }
            }
        }
    }
}

fn checks(result: &Value) -> Markup {
    let checks = result.get("checks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    html! {
        @if !checks.is_empty() {
            ul class="checks" {
                @for check in checks {
                    @let ok = check.get("ok").and_then(Value::as_bool).unwrap_or(false);
                    li class=(if ok { "ok" } else { "bad" }) {
                        (icon(if ok { "check" } else { "alert" }))
                        strong { (check.get("name").and_then(Value::as_str).unwrap_or_default()) } " "
                        span class="quiet" { (check.get("detail").and_then(Value::as_str).unwrap_or_default()) }
                    }
                }
            }
        }
    }
}
