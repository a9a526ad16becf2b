//! `snaphold plan`.

use serde::Serialize;
use snaphold::error::Result;
use snaphold::service::policy::Policy;
use snaphold::service::{Cadence, Keep, Plan, format_duration};

use super::policy::in_words;
use crate::cli::args::PlanCommand;
use crate::cli::context::Context;
use crate::cli::output::Report;
use crate::cli::table::{Side, Table, fields};

#[derive(Serialize)]
struct PlanView<'p> {
    name: &'p str,
    description: &'p str,
    snapshots: bool,
    cadence: Cadence,
    /// A duration; `null`: until they are deleted.
    retain: Option<String>,
    /// How many snapshots can be restored and exported; `null`: all.
    available: Option<u32>,
    keep: Keep,
    /// The policy of an instance that has none of its own; `null`: none.
    policy: Option<&'p Policy>,
}

impl<'p> PlanView<'p> {
    fn of(plan: &'p Plan) -> Self {
        Self {
            name: &plan.name,
            description: &plan.description,
            snapshots: plan.snapshots,
            cadence: plan.cadence,
            retain: plan.retain_ns.map(format_duration),
            available: plan.available,
            keep: plan.keep,
            policy: plan.policy.as_ref(),
        }
    }

    fn retention(&self) -> String {
        match (self.snapshots, &self.retain) {
            (false, _) => "no snapshots".to_string(),
            (true, Some(retain)) => retain.clone(),
            (true, None) => "until deleted".to_string(),
        }
    }

    fn available(&self) -> String {
        self.available.map_or_else(|| "all".to_string(), |available| format!("latest {available}"))
    }
}

#[derive(Serialize)]
struct PlanViews<'p> {
    plans: Vec<PlanView<'p>>,
}

/// Needs no repository.
pub fn run(context: &Context, command: &PlanCommand) -> Result<Report> {
    let plans = context.known_plans()?;
    match command {
        PlanCommand::List => {
            let views = PlanViews { plans: plans.all().map(PlanView::of).collect() };
            let mut table = Table::new([
                ("NAME", Side::Left),
                ("CADENCE", Side::Left),
                ("RETENTION", Side::Left),
                ("AVAILABLE", Side::Left),
                ("DESCRIPTION", Side::Left),
            ]);
            for view in &views.plans {
                table.row([
                    view.name.to_string(),
                    cadence(view.cadence).to_string(),
                    view.retention(),
                    view.available(),
                    view.description.to_string(),
                ]);
            }
            Report::new(&views, table.text("there are no plans"))
        }
        PlanCommand::Show { name } => {
            let view = PlanView::of(plans.get(name)?);
            let text = fields(&[
                ("name", view.name.to_string()),
                ("description", view.description.to_string()),
                ("cadence", cadence(view.cadence).to_string()),
                ("retention", view.retention()),
                ("available", view.available()),
                ("also kept", keep(view.keep)),
                ("policy", view.policy.map_or_else(|| "-".to_string(), in_words)),
            ]);
            Report::new(&view, text)
        }
    }
}

fn cadence(cadence: Cadence) -> &'static str {
    match cadence {
        Cadence::None => "-",
        Cadence::Hourly => "hourly",
        Cadence::Daily => "daily",
    }
}

fn keep(keep: Keep) -> String {
    let parts = [
        (keep.last, "last"),
        (keep.hourly, "hourly"),
        (keep.daily, "daily"),
        (keep.weekly, "weekly"),
        (keep.monthly, "monthly"),
        (keep.yearly, "yearly"),
    ];
    let kept: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
    match kept.is_empty() {
        true => "-".to_string(),
        false => kept.join(", "),
    }
}
