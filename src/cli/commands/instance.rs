//! `snaphold instance`.

use serde::Serialize;
use snaphold::error::Result;
use snaphold::service::{InstanceSpec, InstanceView};

use crate::cli::args::{InstanceCommand, InstanceOptions};
use crate::cli::context::Context;
use crate::cli::output::Report;
use crate::cli::table::{Side, Table, count, fields, time_or_dash};

#[derive(Serialize)]
struct Instances {
    instances: Vec<InstanceView>,
}

#[derive(Serialize)]
struct Removed {
    removed: String,
}

pub fn run(context: &Context, command: InstanceCommand) -> Result<Report> {
    match command {
        InstanceCommand::Add { name, source, options } => {
            let spec = InstanceSpec { source: source.map(Some), ..spec(options) };
            let view = context.service()?.add_instance(&name, spec)?;
            Report::new(&view, format!("added instance {name}\n"))
        }
        InstanceCommand::List => list(context),
        InstanceCommand::Show { name } => {
            let view = context.service()?.instance(&name)?;
            Report::new(&view, show(&view))
        }
        InstanceCommand::Edit { name, source, no_source, options, no_retain, no_always_read } => {
            let mut spec = InstanceSpec { source: source.map(Some), ..spec(options) };
            if no_source {
                spec.source = Some(None);
            }
            if no_retain {
                spec.retain_ns = Some(None);
            }
            if no_always_read {
                spec.always_read = Some(false);
            }
            let view = context.service()?.edit_instance(&name, spec)?;
            Report::new(&view, format!("changed instance {name}\n{}", show(&view)))
        }
        InstanceCommand::Remove { name } => {
            context.service()?.remove_instance(&name)?;
            let text = format!("removed instance {name}; its snapshots stay until they are deleted\n");
            Report::new(&Removed { removed: name }, text)
        }
    }
}

fn spec(options: InstanceOptions) -> InstanceSpec {
    InstanceSpec {
        source: None,
        plan: options.plan,
        retain_ns: options.retain.map(Some),
        description: options.description,
        always_read: options.always_read.then_some(true),
    }
}

fn list(context: &Context) -> Result<Report> {
    let instances = Instances { instances: context.service()?.instances()? };
    let mut table = Table::new([
        ("NAME", Side::Left),
        ("SNAPSHOTS", Side::Right),
        ("LATEST (UTC)", Side::Left),
        ("PLAN", Side::Left),
        ("SOURCE", Side::Left),
    ]);
    for view in &instances.instances {
        table.row([
            view.name.clone(),
            count(view.snapshots),
            time_or_dash(view.latest),
            view.plan.clone(),
            source(view),
        ]);
    }
    let text = table.text("there are no instances; `snaphold instance add` defines one");
    Report::new(&instances, text)
}

fn source(view: &InstanceView) -> String {
    match (&view.source, view.defined) {
        (Some(source), _) => source.clone(),
        (None, true) => "in the repository alone".to_string(),
        (None, false) => "not defined any more".to_string(),
    }
}

fn show(view: &InstanceView) -> String {
    let dash = || "-".to_string();
    fields(&[
        ("name", view.name.clone()),
        ("source", source(view)),
        ("plan", view.plan.clone()),
        ("retention", view.retain.clone().unwrap_or_else(|| "as the plan says".to_string())),
        ("description", view.description.clone().unwrap_or_else(dash)),
        ("defined", time_or_dash(view.created_at)),
        ("snapshots", count(view.snapshots)),
        ("latest", time_or_dash(view.latest)),
    ])
}
