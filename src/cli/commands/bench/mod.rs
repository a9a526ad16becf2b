//! `snaphold bench`.

mod html;
mod interrupt;
mod text;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use snaphold::bench::{self, Amount, BenchReport, BenchRequest, Own, PEERS, Stop, ToolFound, World};
use snaphold::error::{Error, Result};
use snaphold::ops::export::export_to_file;

use crate::cli::args::BenchArgs;
use crate::cli::context::Context;
use crate::cli::output::Report;
use crate::cli::surroundings::SystemStopwatch;

/// What is used of a folder, and what is made without one, unless another size is asked for, bytes.
const SAMPLE: u64 = 1 << 30;
const MADE: u64 = 256 << 20;

pub fn run(context: &Context, arguments: BenchArgs) -> Result<Report> {
    let parent = arguments.scratch.clone().unwrap_or_else(|| context.staging());
    check_places(&arguments, &parent)?;
    let amount = match (arguments.all, arguments.sample) {
        (true, _) => Amount::All,
        (false, Some(bytes)) => Amount::AtMost(bytes),
        (false, None) => Amount::AtMost(if arguments.dir.is_some() { SAMPLE } else { MADE }),
    };
    let own = Own {
        program: std::env::current_exe().map_err(|error| Error::Failed(format!("cannot find myself: {error}")))?,
        search_path: std::env::var_os("PATH").unwrap_or_default(),
    };
    let against = tools(&arguments.against, &own)?;
    let request = BenchRequest { folder: arguments.dir, amount, against };
    let report = measured(context, request, own, &parent)?;
    if let Some(path) = &arguments.html {
        let page = html::page(&report);
        export_to_file(path, arguments.overwrite, |out| {
            out.write_all(page.as_bytes()).map_err(|error| Error::target(path, error))
        })?;
    }
    Report::new(&report, text::report(&report))
}

/// Runs the measurement in a folder of its own below `parent`, and removes that whatever happens.
fn measured(context: &Context, request: BenchRequest, own: Own, parent: &Path) -> Result<BenchReport> {
    let progress = Arc::new(context.progress());
    let surroundings = context.surroundings.clone();
    let (teller, stop) = (progress.clone(), Arc::new(Stop::default()));
    let stopper = stop.clone();
    let work = move |scratch: PathBuf| {
        let stopwatch = SystemStopwatch::start();
        let world = World { surroundings, stopwatch: &stopwatch, scratch, own, stop, progress: &*teller };
        bench::run(&request, &world)
    };
    let result = interrupt::in_scratch(parent, &stopper, work);
    progress.done();
    result
}

/// What must not be below the user's folder, because that is never written to; and a page, which would be found wrong
/// only at the end of a long run.
fn check_places(arguments: &BenchArgs, scratch: &Path) -> Result<()> {
    let is_inside = |path: &Path| {
        let (Some(dir), Ok(path)) = (&arguments.dir, std::fs::canonicalize(path)) else { return false };
        std::fs::canonicalize(dir).is_ok_and(|dir| path.starts_with(dir))
    };
    let dir = || arguments.dir.as_deref().unwrap_or(scratch).display();
    if is_inside(scratch) {
        let what = format!("{} is inside {}, which is never written to", scratch.display(), dir());
        return Err(Error::Usage(format!("{what}; give --scratch a folder elsewhere")));
    }
    let Some(page) = &arguments.html else { return Ok(()) };
    let folder = match page.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if is_inside(folder) {
        let what = format!("{} is inside {}, which is never written to", page.display(), dir());
        return Err(Error::Usage(format!("{what}; choose another place for the page")));
    }
    if !folder.is_dir() {
        return Err(Error::NotFound(format!("there is no folder {} for the page", folder.display())));
    }
    match std::fs::symlink_metadata(page) {
        Ok(found) if found.is_dir() => Err(Error::Refused(format!("{} is a folder", page.display()))),
        Ok(_) if !arguments.overwrite => {
            let what = format!("{} is there already", page.display());
            Err(Error::Refused(format!("{what}; choose another name, or give --overwrite")))
        }
        _ => Ok(()),
    }
}

/// The tools of these names, each once, and where their programs are.
fn tools(names: &[String], own: &Own) -> Result<Vec<ToolFound>> {
    let mut tools: Vec<ToolFound> = Vec::new();
    for name in names {
        let peer = PEERS.iter().find(|peer| peer.name == name);
        let peer = peer.ok_or_else(|| Error::Usage(format!("{name:?} is no tool that is known")))?;
        if tools.iter().all(|tool| tool.peer.name != name) {
            let folders = std::env::split_paths(&own.search_path).filter(|folder| !folder.as_os_str().is_empty());
            let program = folders.map(|folder| folder.join(name)).find(|path| is_program(path));
            // It is run in another folder.
            tools.push(ToolFound { peer, program: program.and_then(|path| std::path::absolute(path).ok()) });
        }
    }
    Ok(tools)
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
