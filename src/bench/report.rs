//! What a run found. Times are seconds, sizes bytes; MB are 10^6 bytes.

use serde::Serialize;

/// All of it.
#[derive(Debug, Clone, Serialize)]
pub struct BenchReport {
    /// What was measured on.
    pub data: DataReport,
    /// Threads that work side by side.
    pub cores: usize,
    /// Plain bytes of the data that the stages alone were measured on.
    pub stage_bytes: u64,
    /// Each stage alone, in the order of a snapshot and then of a restore.
    pub stages: Vec<Stage>,
    /// Time that passed divided by processor time, over the stages that wait for nothing but a core, by one thread: 1
    /// where nothing else ran on this machine.
    pub disturbed: f64,
    /// Snapshot and restore whole, in this process.
    pub whole: Vec<Step>,
    /// How the first snapshot's time divides among the stages.
    pub model: Model,
    /// The same work by other tools, each as a process of its own; this program first. Empty where none was asked for.
    pub against: Vec<ToolReport>,
    /// What was left out, and why.
    pub skipped: Vec<Skipped>,
}

/// What was measured on.
#[derive(Debug, Clone, Serialize)]
pub struct DataReport {
    /// The folder; `None` for data that was made.
    pub folder: Option<String>,
    /// Files and bytes that there are.
    pub files_found: u64,
    /// Bytes of these.
    pub bytes_found: u64,
    /// Files that were used, whole or a part of each.
    pub files: u64,
    /// Bytes that were used.
    pub bytes: u64,
    /// Whether less was used than there is.
    pub is_sample: bool,
    /// Whether the folder itself was read by every step; else a copy in the scratch place.
    pub in_place: bool,
    /// Files and folders that could not be read and were left out.
    pub unreadable: u64,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Into the repository.
    There,
    /// Out of it.
    Back,
}

/// How long something took, and what that is a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Speed {
    /// Time that passed.
    pub wall_s: f64,
    /// Processor time of all threads.
    pub cpu_s: f64,
    /// 10^6 bytes in a second that passed.
    pub mb_per_s: f64,
}

/// One stage, alone.
#[derive(Debug, Clone, Serialize)]
pub struct Stage {
    /// Its name.
    pub name: &'static str,
    /// Which way.
    pub direction: Direction,
    /// What exactly was timed, in a few words.
    pub what: &'static str,
    /// Bytes that went in.
    pub bytes: u64,
    /// Bytes that came out, where they are others.
    pub bytes_out: Option<u64>,
    /// Chunks, blocks, packs or files that went in.
    pub items: u64,
    /// By one thread.
    pub one_core: Speed,
    /// By all threads; `None` for what the engine does by one.
    pub all_cores: Option<Speed>,
}

/// One step of the whole.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Its name.
    pub name: &'static str,
    /// Plain bytes of the data.
    pub bytes: u64,
    /// Bytes that were read of it.
    pub bytes_read: u64,
    /// Bytes of chunks that were not known.
    pub bytes_new: u64,
    /// Bytes that the repository grew by.
    pub bytes_stored: u64,
    /// How long, and how fast of `bytes`.
    #[serde(flatten)]
    pub speed: Speed,
}

/// The first snapshot's processor time, divided by what each stage took alone for a byte, times the bytes that passed it.
#[derive(Debug, Clone, Serialize)]
pub struct Model {
    /// Processor time of the first snapshot.
    pub cpu_s: f64,
    /// The stages that it passes.
    pub shares: Vec<Share>,
    /// What no stage explains: folders, attributes, recipes, the index, waiting. Negative where the stages alone took
    /// longer than the whole.
    pub unexplained_s: f64,
    /// The same as a part of `cpu_s`.
    pub unexplained_share: f64,
    /// The part of all cores' time that was worked in.
    pub cores_busy: f64,
    /// The stage with the greatest share; `None` where most is not explained.
    pub bound_by: Option<&'static str>,
    /// What bounds it, in a sentence.
    pub sentence: String,
}

/// A stage's share.
#[derive(Debug, Clone, Serialize)]
pub struct Share {
    /// The stage's name.
    pub stage: &'static str,
    /// Bytes that passed it.
    pub bytes: u64,
    /// Processor time that it would take for them.
    pub cpu_s: f64,
    /// The same as a part of the whole.
    pub share: f64,
}

/// Something that was left out.
#[derive(Debug, Clone, Serialize)]
pub struct Skipped {
    /// What.
    pub what: String,
    /// Why, in one line.
    pub why: String,
}

/// What one tool did with the data.
#[derive(Debug, Clone, Serialize)]
pub struct ToolReport {
    /// Its name.
    pub name: String,
    /// The program that ran.
    pub program: String,
    /// What it says its version is.
    pub version: String,
    /// How it was set.
    pub settings: &'static str,
    /// What was timed.
    pub steps: Vec<ToolStep>,
    /// Whether every file came back as it was.
    pub restored_equal: bool,
}

/// One step of one tool.
#[derive(Debug, Clone, Serialize)]
pub struct ToolStep {
    /// `first_snapshot`, `again_unchanged` or `restore`.
    pub name: &'static str,
    /// How long, and how fast of the data's bytes.
    #[serde(flatten)]
    pub speed: Speed,
    /// Greatest resident memory of its processes.
    pub peak_memory_bytes: u64,
    /// Size of its repository's folder afterwards.
    pub repository_bytes: u64,
}
