//! `snaphold completions` and `snaphold man`.

use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use serde::Serialize;
use snaphold::error::{Error, Result};

use crate::cli::args::Cli;
use crate::cli::output::Report;

#[derive(Serialize)]
struct Completions<'t> {
    shell: String,
    script: &'t str,
}

#[derive(Serialize)]
struct Page<'t> {
    man: &'t str,
}

#[derive(Serialize)]
struct Pages {
    files: Vec<String>,
}

pub fn completions(shell: Shell) -> Result<Report> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "snaphold", &mut script);
    let script = text(script)?;
    Report::new(&Completions { shell: shell.to_string(), script: &script }, script.clone())
}

pub fn man(dir: Option<&Path>) -> Result<Report> {
    let Some(dir) = dir else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
        rendered.map_err(|error| Error::Failed(format!("cannot write the manual: {error}")))?;
        let page = text(page)?;
        return Report::new(&Page { man: &page }, page.clone());
    };
    std::fs::create_dir_all(dir).map_err(|error| Error::target(dir, error))?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut files = Vec::new();
    write_pages(&command, "snaphold", dir, &mut files)?;
    let lines: String = files.iter().map(|file| format!("{file}\n")).collect();
    Report::new(&Pages { files }, lines)
}

/// A command's page and those of the commands below it, named as Git's are: `snaphold-snapshot-take.1`.
fn write_pages(command: &clap::Command, name: &str, dir: &Path, files: &mut Vec<String>) -> Result<()> {
    let path = dir.join(format!("{name}.1"));
    let page = clap_mangen::Man::new(command.clone());
    let mut bytes = Vec::new();
    page.render(&mut bytes).map_err(|error| Error::target(&path, error))?;
    std::fs::write(&path, bytes).map_err(|error| Error::target(&path, error))?;
    files.push(path.display().to_string());
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_pages(below, &format!("{name}-{}", below.get_name()), dir, files)?;
    }
    Ok(())
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| Error::Failed("the help texts are not UTF-8".into()))
}
