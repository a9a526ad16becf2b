//! `snaphold instance`.

use std::path::PathBuf;

use serde::Serialize;
use snaphold::error::{Error, Result};
use snaphold::service::{InstanceSpec, InstanceView, SettingsSpec};

use super::policy::in_words;
use super::snapshot::taken;
use crate::cli::args::{InstanceCommand, InstanceOptions, SettingsOptions};
use crate::cli::context::Context;
use crate::cli::output::Report;
use crate::cli::table::{Side, Table, count, fields, size, time_or_dash};

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
        InstanceCommand::Add { name, source, options, settings } => {
            let spec = InstanceSpec { source: source.map(Some), settings: settings_spec(settings)?, ..spec(options) };
            let view = context.backend()?.add_instance(&name, spec)?;
            Report::new(&view, format!("added instance {name}\n"))
        }
        InstanceCommand::List => list(context),
        InstanceCommand::Show { name } => {
            let view = context.backend()?.instance(&name)?;
            Report::new(&view, show(&view))
        }
        InstanceCommand::Edit { name, source, no_source, options, settings, no_retain, no_always_read } => {
            let settings = settings_spec(settings)?;
            let mut spec = InstanceSpec { source: source.map(Some), settings, ..spec(options) };
            if no_source {
                spec.source = Some(None);
            }
            if no_retain {
                spec.retain_ns = Some(None);
            }
            if no_always_read {
                spec.always_read = Some(false);
            }
            let view = context.backend()?.edit_instance(&name, spec)?;
            Report::new(&view, format!("changed instance {name}\n{}", show(&view)))
        }
        InstanceCommand::Check { name } => check(context, &name),
        InstanceCommand::Remove { name } => {
            context.backend()?.remove_instance(&name)?;
            let text = format!("removed instance {name}; its snapshots stay until they are deleted\n");
            Report::new(&Removed { removed: name }, text)
        }
    }
}

fn check(context: &Context, name: &str) -> Result<Report> {
    let progress = context.progress();
    let found = context.backend()?.check_instance(name, &progress)?;
    progress.done();
    let mut text = String::new();
    for component in &found.components {
        let version = if component.version.is_empty() { "there" } else { &component.version };
        let before = match &component.version_before {
            Some(before) if *before != component.version => format!(", was {before}"),
            _ => String::new(),
        };
        let about = component.bytes.map(|bytes| format!(", about {}", size(bytes))).unwrap_or_default();
        text.push_str(&format!("{}: {version}{before}{about}\n", component.name));
        component.notes.iter().for_each(|note| text.push_str(&format!("  {note}\n")));
    }
    match &found.snapshot {
        Some(snapshot) => text.push_str(&taken(snapshot)),
        None => text.push_str("its system is as it was\n"),
    }
    Report::new(&found, text)
}

/// What is said about the source. Paths become absolute, so that they mean the same wherever snaphold is started.
pub fn settings_spec(options: SettingsOptions) -> Result<SettingsSpec> {
    let absolute = |path: PathBuf| match path.as_os_str().is_empty() {
        true => Ok(String::new()),
        false => std::path::absolute(&path)
            .map(|path| path.display().to_string())
            .map_err(|error| Error::source(path, error)),
    };
    let password_file = options.password_file.map(absolute).transpose()?;
    let data_directory = options.data_directory.map(absolute).transpose()?;
    let SettingsOptions { stop, start, before, after, .. } = options;
    Ok(SettingsSpec { password: None, password_file, stop, start, before, after, data_directory })
}

fn spec(options: InstanceOptions) -> InstanceSpec {
    InstanceSpec {
        source: None,
        plan: options.plan,
        retain_ns: options.retain.map(Some),
        description: options.description,
        always_read: options.always_read.then_some(true),
        ..InstanceSpec::default()
    }
}

fn list(context: &Context) -> Result<Report> {
    let instances = Instances { instances: context.backend()?.instances()? };
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

fn settings(view: &InstanceView) -> String {
    let each = view.settings.iter().map(|(name, value)| format!("{name}: {value}"));
    match view.settings.is_empty() {
        true => "-".to_string(),
        false => each.collect::<Vec<_>>().join("; "),
    }
}

fn show(view: &InstanceView) -> String {
    let dash = || "-".to_string();
    fields(&[
        ("name", view.name.clone()),
        ("source", source(view)),
        ("settings", settings(view)),
        ("plan", view.plan.clone()),
        ("retention", view.retain.clone().unwrap_or_else(|| "as the plan says".to_string())),
        ("policy", view.policy.as_ref().map_or_else(|| "as the plan says".to_string(), in_words)),
        ("description", view.description.clone().unwrap_or_else(dash)),
        ("defined", time_or_dash(view.created_at)),
        ("snapshots", count(view.snapshots)),
        ("latest", time_or_dash(view.latest)),
        ("restore", view.unfinished_restore.as_ref().map_or_else(dash, |stage| format!("cut short ({stage})"))),
    ])
}
