//! `snaphold drill`.

use snaphold::error::{ErrorKind, Result};
use snaphold::service::DrillOutcome;

use crate::cli::args::DrillArgs;
use crate::cli::context::Context;
use crate::cli::output::Report;
use crate::cli::table::{Side, Table, printable};

pub fn run(context: &Context, arguments: &DrillArgs) -> Result<Report> {
    let progress = context.progress();
    let backend = context.backend()?;
    let outcome =
        backend.drill(&arguments.snapshot, arguments.component.as_deref(), arguments.query.as_deref(), &progress)?;
    progress.done();
    let code = if outcome.proven { 0 } else { ErrorKind::Damaged.exit_code() };
    Report::with_code(&outcome, text(&outcome), code)
}

fn text(outcome: &DrillOutcome) -> String {
    let mut table = Table::new([("CHECK", Side::Left), ("RESULT", Side::Left), ("SEEN", Side::Left)]);
    for check in &outcome.checks {
        let result = if check.ok { "ok" } else { "FAILED" };
        table.row([check.name.clone(), result.to_string(), printable(&check.detail)]);
    }
    let is = if outcome.proven { "is proven: it restores, and passes" } else { "is NOT proven" };
    format!("{}snapshot {} of {} {is}\n", table.text("nothing was checked"), outcome.snapshot, outcome.instance)
}
