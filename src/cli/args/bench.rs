//! `snaphold bench`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use snaphold::bench::PEERS;

use super::values::size;

/// Measure how fast this machine is, stage by stage, on data of yours or made here
///
/// Each stage is measured alone: read, cut, hash, look up, delta, compress, seal, write, and back; then snapshots, a
/// restore and a verify whole, and what bounds the first snapshot. No repository is needed. DIR is only read; what is
/// written goes to a folder of its own, which is removed at the end, also where it is interrupted.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  snaphold bench
  snaphold bench /srv/shop --against restic,borg
  snaphold bench /srv/shop --all --scratch /mnt/large --html shop.html")]
pub struct BenchArgs {
    /// A folder with data of yours [default: text, pages, random and small files are made]
    pub dir: Option<PathBuf>,
    /// Use at most this much, such as 500MiB, evenly over all files [default: 1GiB of DIR, or 256MiB that are made]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub sample: Option<u64>,
    /// Use everything in DIR
    #[arg(long, conflicts_with = "sample", requires = "dir")]
    pub all: bool,
    /// Where the folder for what is written is made [default: SNAPHOLD_TMPDIR, or the system's temporary folder]
    #[arg(long, value_name = "DIR")]
    pub scratch: Option<PathBuf>,
    /// Also run these tools on the same data, as far as they are installed, and this program as they are run
    #[arg(long, value_name = "TOOL,…", value_delimiter = ',', value_parser = tools())]
    pub against: Vec<String>,
    /// Also write a page with plots
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Replace a page that is there
    #[arg(long, requires = "html")]
    pub overwrite: bool,
}

fn tools() -> PossibleValuesParser {
    PossibleValuesParser::new(PEERS.iter().map(|peer| peer.name))
}
