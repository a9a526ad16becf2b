//! The same data by other tools, each step as a process: what it costs a user who types it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::clock::Entropy;
use crate::error::{Error, Result};
use crate::ops::Progress;

use super::child::{Job, first_line, run};
use super::measure::Meter;
use super::peers::{Peer, SNAPHOLD};
use super::place::{Place, bytes_below};
use super::report::{Skipped, ToolReport, ToolStep};
use super::sample::Chosen;
use super::tree::{self, Data};

/// This program, and where it looks for others.
#[derive(Debug, Clone)]
pub struct Own {
    /// The program's own file.
    pub program: PathBuf,
    /// `PATH`, which every tool gets.
    pub search_path: OsString,
}

/// A tool that was asked for.
#[derive(Debug, Clone)]
pub struct ToolFound {
    /// Which.
    pub peer: &'static Peer,
    /// Where its program is; `None` where there is none.
    pub program: Option<PathBuf>,
}

/// What tools are measured with.
pub struct Against<'a> {
    pub own: &'a Own,
    pub data: &'a Data,
    pub place: &'a Place,
    pub meter: Meter<'a>,
    pub entropy: &'a dyn Entropy,
    pub progress: &'a dyn Progress,
}

/// The folder of one tool at a time, below the place.
const TOOL: &str = "tool";

impl Against<'_> {
    /// This program first, then each tool. One that is not there or fails is named, and the others go on.
    pub fn run(&self, tools: &[ToolFound], skipped: &mut Vec<Skipped>) -> Result<Vec<ToolReport>> {
        self.warm()?;
        let own = ToolFound { peer: &SNAPHOLD, program: Some(self.own.program.clone()) };
        let mut reports = Vec::new();
        for tool in std::iter::once(&own).chain(tools) {
            self.progress.stage(tool.peer.name, None);
            let done = match &tool.program {
                Some(program) => self.tool(tool.peer, program),
                None => Err(Error::NotFound(format!("there is no program {} on PATH", tool.peer.name))),
            };
            self.meter.stop.check()?;
            match done {
                Ok(report) => reports.push(report),
                Err(error) => {
                    let what = tool.peer.name.to_string();
                    self.progress.notice(&format!("{what} is skipped: {error}"));
                    skipped.push(Skipped { what, why: error.to_string() });
                }
            }
            self.place.set_aside(TOOL, self.data.bytes())?;
        }
        Ok(reports)
    }

    /// The first tool shall not be the one that reads from the disk.
    fn warm(&self) -> Result<()> {
        self.progress.stage("reading", Some(self.data.bytes()));
        for (file, found) in self.data.files.iter().enumerate() {
            let whole = Chosen::stretch(file, 0..found.len);
            tree::each_piece(&self.data.root.join(&found.relative), &whole, self.meter.stop, |bytes| {
                self.progress.advance(bytes.len() as u64);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn tool(&self, peer: &Peer, program: &Path) -> Result<ToolReport> {
        let folder = |name: &str| self.place.folder(&format!("{TOOL}/{name}"));
        let (home, cache, out, tmp) = (folder("home")?, folder("cache")?, folder("out")?, folder("tmp")?);
        let repository = self.place.path(TOOL).join("repository");
        let mut random = [0; 16];
        self.entropy.fill(&mut random);
        let password: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let words: [(&str, &OsStr); 6] = [
            ("{data}", self.data.root.as_os_str()),
            ("{repo}", repository.as_os_str()),
            ("{out}", out.as_os_str()),
            ("{home}", home.as_os_str()),
            ("{cache}", cache.as_os_str()),
            ("{password}", OsStr::new(&password)),
        ];
        let mut environment: Vec<(String, OsString)> = vec![
            ("PATH".into(), self.own.search_path.clone()),
            ("HOME".into(), home.clone().into()),
            ("TMPDIR".into(), tmp.into()),
            ("XDG_CACHE_HOME".into(), cache.clone().into()),
            ("XDG_CONFIG_HOME".into(), home.join("config").into()),
            ("LC_ALL".into(), "C.UTF-8".into()),
        ];
        environment.extend(peer.environment.iter().map(|(name, value)| ((*name).to_string(), filled(value, &words))));
        let output = self.place.path(TOOL).join("said");
        let bytes = self.data.bytes();
        let ran = |arguments: &[&str], folder: &Path| {
            let arguments = arguments.iter().map(|argument| filled(argument, &words)).collect();
            let job = Job { program, arguments, environment: &environment, folder, output: output.clone() };
            run(&self.meter, &job, bytes)
        };
        ran(peer.version, &home)?;
        let version = first_line(&output);
        for arguments in peer.prepare {
            ran(arguments, &home)?;
        }
        let mut steps = Vec::new();
        for (name, arguments, folder) in [
            ("first_snapshot", peer.first, self.data.root.as_path()),
            ("again_unchanged", peer.again, self.data.root.as_path()),
            ("restore", peer.restore, out.as_path()),
        ] {
            self.place.settle()?;
            let done = ran(arguments, folder)?;
            steps.push(ToolStep {
                name,
                speed: done.speed,
                peak_memory_bytes: done.peak_memory_bytes,
                repository_bytes: bytes_below(&repository)?,
            });
        }
        let restored_equal = self.is_restored(&out)?;
        Ok(ToolReport {
            name: peer.name.to_string(),
            program: program.display().to_string(),
            version,
            settings: peer.settings,
            steps,
            restored_equal,
        })
    }

    /// Some tools restore to the folder that they are told, others to the whole path below it.
    fn is_restored(&self, out: &Path) -> Result<bool> {
        let Data { root, files, .. } = self.data;
        let below = out.join(root.strip_prefix("/").unwrap_or(root));
        let is_there =
            |folder: &Path| files.first().is_none_or(|found| fs::exists(folder.join(&found.relative)).unwrap_or(false));
        let restored = if is_there(out) { out } else { &below };
        self.progress.stage("comparing", None);
        tree::is_equal(files, root, restored, self.meter.stop)
    }
}

/// A text with the words in braces replaced.
fn filled(text: &str, words: &[(&str, &OsStr)]) -> OsString {
    let mut filled = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, behind) = rest.split_at(at);
        filled.extend_from_slice(before.as_bytes());
        match words.iter().find_map(|(word, value)| Some((behind.strip_prefix(word)?, value))) {
            Some((after, value)) => {
                filled.extend_from_slice(value.as_bytes());
                rest = after;
            }
            None => {
                filled.push(b'{');
                rest = behind.get(1..).unwrap_or_default();
            }
        }
    }
    filled.extend_from_slice(rest.as_bytes());
    OsString::from_vec(filled)
}

#[cfg(test)]
mod tests {
    use super::super::peers::PEERS;
    use super::*;

    #[test]
    fn words_in_braces_are_replaced_and_nothing_else() {
        let words = [("{a}", OsStr::new("/x y")), ("{b}", OsStr::new("{a}"))];
        assert_eq!(filled("no {a}/z{b}{c}", &words), "no /x y/z{a}{c}");
    }

    /// A word that nothing stands for would reach a tool as it is; a password by an argument could be read by others.
    #[test]
    fn every_tool_uses_words_that_there_are() {
        let there = ["data", "repo", "out", "home", "cache", "password"].map(|word| format!("{{{word}}}"));
        for peer in PEERS.iter().chain([&SNAPHOLD]) {
            let lists = [peer.version, peer.first, peer.again, peer.restore];
            let arguments: Vec<&str> = lists.iter().chain(peer.prepare).flat_map(|list| list.iter().copied()).collect();
            let values = peer.environment.iter().map(|(_, value)| *value);
            for text in arguments.iter().copied().chain(values) {
                let rest = there.iter().fold(text.to_string(), |text, word| text.replace(word, ""));
                assert!(!rest.contains(['{', '}']), "{}: {text}", peer.name);
            }
            assert!(arguments.iter().all(|argument| !argument.contains("password")), "{}", peer.name);
            assert!(peer.environment.iter().any(|(_, value)| *value == "{password}"), "{}", peer.name);
        }
    }
}
