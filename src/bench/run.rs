//! A run from its beginning to its report.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::{Stopwatch, Surroundings};
use crate::error::{Error, Result};
use crate::ops::Progress;
use crate::repo::Repository;

use super::against::{Against, Own, ToolFound};
use super::measure::{Meter, ROUNDS};
use super::model::{disturbed, model};
use super::place::{Place, needed_beside};
use super::report::{BenchReport, DataReport, Stage};
use super::sample::{Chosen, choose, sum};
use super::stages::{Lab, gather, total};
use super::stop::Stop;
use super::tree::{Data, Found, copy, find, make};
use super::whole::{Whole, repository};
use super::{stages_back, stages_there};

/// How much of the data is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// At most so many bytes, evenly over all files.
    AtMost(u64),
    /// Everything.
    All,
}

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct BenchRequest {
    /// The user's folder, which is only read; `None`: data that is made.
    pub folder: Option<PathBuf>,
    /// How much of it; for data that is made, how much is made (then [`Amount::All`] is refused).
    pub amount: Amount,
    /// Tools to stand beside.
    pub against: Vec<ToolFound>,
}

/// What a run takes from the world around it.
pub struct World<'a> {
    /// Clock, randomness, processes.
    pub surroundings: Surroundings,
    /// Measures.
    pub stopwatch: &'a dyn Stopwatch,
    /// An empty folder of the run's own. All of it may be removed afterwards.
    pub scratch: PathBuf,
    /// This program, to be run beside the others.
    pub own: Own,
    /// Ends the run early.
    pub stop: Arc<Stop>,
    /// Is told how far it is.
    pub progress: &'a dyn Progress,
}

const DATA: &str = "data";

/// Measures: the stages alone, the whole, and other tools. What is written is in the scratch place, and stays there
/// until its owner removes it.
pub fn run(request: &BenchRequest, world: &World<'_>) -> Result<BenchReport> {
    let scratch = fs::canonicalize(&world.scratch).map_err(|error| Error::target(&world.scratch, error))?;
    let place = Place::new(scratch);
    let meter = Meter { stopwatch: world.stopwatch, stop: &world.stop, rounds: ROUNDS };
    let (data, report) = prepare(request, world, &place)?;
    let mut skipped = Vec::new();
    // The other tools come first: a process inherits from the one that began it how much memory that had, so this one
    // has to be small still.
    let against = match request.against.is_empty() {
        true => Vec::new(),
        false => {
            let entropy = &*world.surroundings.entropy;
            Against { own: &world.own, data: &data, place: &place, meter, entropy, progress: world.progress }
                .run(&request.against, &mut skipped)?
        }
    };
    let repo = repository(&place, &world.surroundings, world.stop.clone())?;
    let (stage_bytes, stages) = stages(&repo, &data, &place, meter, world.progress)?;
    let whole = Whole { repo: &repo, data: &data, place: &place, meter, progress: world.progress }.run(&mut skipped)?;
    let cores = rayon::current_num_threads();
    let first = whole.first().ok_or_else(|| Error::Failed("nothing was measured".into()))?;
    let model = model(&stages, first, cores);
    let disturbed = disturbed(&stages);
    Ok(BenchReport { data: report, cores, stage_bytes, stages, disturbed, whole, model, against, skipped })
}

/// Makes, finds or copies the data.
fn prepare(request: &BenchRequest, world: &World<'_>, place: &Place) -> Result<(Data, DataReport)> {
    let free = place.free()?;
    let Some(folder) = &request.folder else {
        let Amount::AtMost(bytes) = request.amount else {
            return Err(Error::Usage("everything of what? give a folder".into()));
        };
        needs(bytes.saturating_add(needed_beside(bytes)), free, place)?;
        let root = place.folder(DATA)?;
        make(&root, bytes, world.progress, &world.stop)?;
        let (files, _) = find(&root, world.progress)?;
        let data = Data { root, files, in_place: false };
        let report = described(None, &data.files, &data, 0);
        return Ok((data, report));
    };
    let root = source(folder, place)?;
    world.progress.stage("looking", None);
    let (found, unreadable) = find(&root, world.progress)?;
    if found.iter().all(|found| found.len == 0) {
        let why = "there is nothing to measure on: no file in it that can be read has a byte";
        return Err(Error::Usage(format!("{}: {why}", folder.display())));
    }
    let lengths: Vec<u64> = found.iter().map(|found| found.len).collect();
    let limit = match request.amount {
        Amount::AtMost(bytes) => bytes,
        Amount::All => u64::MAX,
    };
    let chosen = choose(&lengths, limit);
    let bytes = sum(chosen.iter().map(Chosen::len));
    let with_copy = bytes.saturating_add(needed_beside(bytes));
    let data = if request.amount == Amount::All && free < with_copy {
        needs(needed_beside(bytes), free, place)?;
        Data { root, files: found.clone(), in_place: true }
    } else {
        needs(with_copy, free, place)?;
        let copied = place.folder(DATA)?;
        let files = copy(&root, &found, &chosen, &copied, world.progress, &world.stop)?;
        Data { root: copied, files, in_place: false }
    };
    let report = described(Some(folder), &found, &data, unreadable);
    Ok((data, report))
}

/// The folder, found to be one, and not one that is written to.
fn source(folder: &Path, place: &Place) -> Result<PathBuf> {
    let root = fs::canonicalize(folder).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound(format!("there is no folder {}", folder.display())),
        _ => Error::source(folder, error),
    })?;
    if !root.is_dir() {
        return Err(Error::Usage(format!("{} is not a folder; give the one that it is in", folder.display())));
    }
    if place.root.starts_with(&root) {
        return Err(Error::Usage(format!(
            "{} is inside {}, which is never written to; give --scratch a folder elsewhere",
            place.root.display(),
            folder.display()
        )));
    }
    Ok(root)
}

fn needs(bytes: u64, free: u64, place: &Place) -> Result<()> {
    if free >= bytes {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let above = place.root.parent().unwrap_or(&place.root);
    Err(Error::Refused(format!(
        "this may need {} MiB and {} has {} MiB; give --sample less, or --scratch a folder with more room",
        mib(bytes),
        above.display(),
        mib(free)
    )))
}

fn described(folder: Option<&Path>, found: &[Found], data: &Data, unreadable: u64) -> DataReport {
    let bytes_found = sum(found.iter().map(|found| found.len));
    DataReport {
        folder: folder.map(|folder| folder.display().to_string()),
        files_found: found.len() as u64,
        bytes_found,
        files: data.files.len() as u64,
        bytes: data.bytes(),
        is_sample: data.bytes() < bytes_found,
        in_place: data.in_place,
        unreadable,
    }
}

fn stages(
    repo: &Repository,
    data: &Data,
    place: &Place,
    meter: Meter<'_>,
    progress: &dyn Progress,
) -> Result<(u64, Vec<Stage>)> {
    let config = repo.config();
    let lab = Lab {
        meter,
        progress,
        keys: repo.keys().clone(),
        chunker: config.chunker,
        page_target: config.page_target,
        place,
    };
    progress.stage("reading", None);
    let items = gather(&data.root, &data.files, meter.stop)?;
    let mut stages = vec![stages_there::read(&lab, &items)?, stages_there::cut(&lab, &items)?];
    stages.push(stages_there::hash(&lab, &items)?);
    let chunks = stages_there::chunks(&lab, &items);
    stages.extend(stages_there::look_up(&lab, &chunks)?);
    let (delta, deltas) = stages_there::delta(&lab, &chunks)?;
    let (compress, made) = stages_there::compress(&lab, &chunks)?;
    let (seal, packs) = stages_there::seal(&lab, &made)?;
    let (write, storage) = stages_there::write(&lab, &packs)?;
    stages.extend([delta, compress, seal, write]);
    stages.push(stages_back::read_packs(&lab, &packs, &storage)?);
    place.remove(stages_there::PACKS)?;
    stages.push(stages_back::open(&lab, &made)?);
    stages.push(stages_back::decompress(&lab, &made)?);
    stages.push(stages_back::apply(&lab, &deltas)?);
    stages.push(stages_back::check(&lab, &chunks)?);
    stages.push(stages_back::write_files(&lab, &items)?);
    Ok((total(items.iter().map(|item| item.bytes.as_slice())), stages))
}
