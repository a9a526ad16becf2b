//! What each plan promises.

use maud::{Markup, html};

use crate::server::console::layout::page;
use crate::server::console::parts::basics::{badge, facts, heading};
use crate::server::console::parts::text::{counted, days};
use crate::server::console::view::{Section, Shell};
use crate::service::{Cadence, Keep, Plan};

/// The page. `used` are the plans of the account's instances, each with how many follow it.
pub fn list(shell: &Shell, plans: &[&Plan], used: &[(String, u64)]) -> Markup {
    let body = html! {
        (heading("Plans", Some(html! { "What is promised to an instance of each; chosen in the instance's settings" }), html! {}))
        div class="cards" {
            @for plan in plans {
                @let instances = used.iter().find(|(name, _)| *name == plan.name).map_or(0, |(_, number)| *number);
                (card(plan, instances))
            }
        }
    };
    page(shell, Section::Plans, "Plans", body)
}

fn card(plan: &Plan, instances: u64) -> Markup {
    html! {
        section class="panel" {
            header class="row" { h2 { (plan.name) } @if instances > 0 { (badge("run", counted(instances, "instance", "instances"))) } }
            @if plan.snapshots {
                p { (plan.description) }
                (facts(&[
                    ("By itself", Some(html! { (cadence(plan)) })),
                    ("Kept", Some(html! { (plan.retain_ns.map_or_else(|| "until they are deleted".into(), days)) })),
                    ("Available", Some(html! { @match plan.available { Some(1) => "only the latest", Some(number) => { "the latest " (number) }, None => "all of them" } })),
                    ("Longer", keep(&plan.keep).map(|words| html! { (words) })),
                ]))
            } @else {
                p { strong { "This plan has no backups." } }
                p class="quiet" { "No snapshot is taken of its instances, on no schedule and not on demand, and there is none to restore." }
            }
        }
    }
}

fn cadence(plan: &Plan) -> &'static str {
    match (plan.cadence, &plan.policy) {
        (Cadence::Hourly, _) => "every hour",
        (Cadence::Daily, _) => "every day",
        (Cadence::None, Some(_)) => "by its own schedule",
        (Cadence::None, None) => "only if the instance has a schedule",
    }
}

fn keep(keep: &Keep) -> Option<String> {
    let Keep { last, hourly, daily, weekly, monthly, yearly } = *keep;
    let parts = [
        (last, "of the last"),
        (hourly, "hourly"),
        (daily, "daily"),
        (weekly, "weekly"),
        (monthly, "monthly"),
        (yearly, "yearly"),
    ];
    let words: Vec<String> =
        parts.into_iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}
