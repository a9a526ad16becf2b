//! What is printed: text for people, or one JSON object; errors as one line.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};

use clap::error::ErrorKind as ClapErrorKind;
use serde::Serialize;
use snaphold::error::{Error, ErrorKind as Kind, Result};

use super::args::{Cli, Command};
use super::table::printable;

/// What a command has to say when it is done.
pub struct Report {
    /// One object on one line, without a newline.
    json: String,
    /// For people; empty, or ends with a newline.
    text: String,
    code: u8,
    /// Whether there is nothing left to print.
    is_printed: bool,
}

impl Report {
    /// `value` for `--json`, `text` for people; the exit code is 0.
    pub fn new(value: &impl Serialize, text: impl Into<String>) -> Result<Self> {
        Self::with_code(value, text, 0)
    }

    /// As [`Report::new`], with an exit code: the command is done, and what it found is not well.
    pub fn with_code(value: &impl Serialize, text: impl Into<String>, code: u8) -> Result<Self> {
        let json =
            serde_json::to_string(value).map_err(|error| Error::Failed(format!("cannot print JSON: {error}")))?;
        Ok(Self { json, text: text.into(), code, is_printed: false })
    }

    /// For a command that has printed all that it has to say.
    pub fn printed() -> Self {
        Self { json: String::new(), text: String::new(), code: 0, is_printed: true }
    }
}

/// Prints a result piece by piece: one that may be longer than memory should hold. Whoever reads and has seen enough may
/// go away. `write` may still fail otherwise; then what it has printed stays.
pub fn print_pieces(write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<Report> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    let written = write(&mut stdout).and_then(|()| stdout.flush().map_err(cannot_write));
    match written {
        Err(Error::Target { error, .. }) if error.kind() == ErrorKind::BrokenPipe => Ok(Report::printed()),
        Err(error) => Err(error),
        Ok(()) => Ok(Report::printed()),
    }
}

/// `error` of standard output.
pub fn cannot_write(error: io::Error) -> Error {
    Error::target("standard output", error)
}

/// Where results go.
#[derive(Debug, Clone, Copy)]
pub struct Streams {
    json: bool,
    /// Standard output carries exported data, so that what there is to say goes to standard error.
    data_on_stdout: bool,
}

impl Streams {
    /// As the command line asks.
    pub fn of(cli: &Cli) -> Self {
        let data_on_stdout = matches!(&cli.command, Command::Export(export) if export.output.as_os_str() == "-");
        Self { json: cli.global.json, data_on_stdout }
    }

    fn print(self, text: &str) -> io::Result<()> {
        if self.data_on_stdout {
            return io::stderr().write_all(text.as_bytes());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}

/// Whether the arguments ask for JSON, before they are parsed: they may turn out to be wrong.
pub fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

/// Prints what a command has to say. Returns the exit code.
pub fn emit(report: &Report, streams: Streams) -> u8 {
    if report.is_printed {
        return report.code;
    }
    let printed = match streams.json {
        true => streams.print(&format!("{}\n", report.json)),
        false => streams.print(&report.text),
    };
    match printed {
        Ok(()) => report.code,
        // Whoever read has seen enough; what was to be done is done.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => report.code,
        Err(error) => {
            line_on_stderr(&format!("snaphold: cannot write standard output: {error}"));
            Kind::Failed.exit_code()
        }
    }
}

/// Prints an error. Returns the exit code.
pub fn fail(error: &Error, streams: Streams) -> u8 {
    let kind = error.kind();
    let is_broken_pipe = matches!(error, Error::Target { error, .. } if error.kind() == ErrorKind::BrokenPipe);
    if !(streams.data_on_stdout && is_broken_pipe) {
        print_error(kind, &error.to_string(), streams);
    }
    kind.exit_code()
}

fn print_error(kind: Kind, message: &str, streams: Streams) {
    #[derive(Serialize)]
    struct Failure<'a> {
        error: Inner<'a>,
    }
    #[derive(Serialize)]
    struct Inner<'a> {
        kind: &'a str,
        message: &'a str,
    }
    if !streams.json {
        return line_on_stderr(&format!("snaphold: {}", printable(message)));
    }
    let failure = Failure { error: Inner { kind: kind.as_str(), message } };
    let json = serde_json::to_string(&failure).unwrap_or_default();
    // Nothing is left to tell the failure to.
    let _ = streams.print(&format!("{json}\n"));
}

fn line_on_stderr(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints what the parser of arguments has to say: help, the version, or what is wrong. Returns the exit code.
pub fn usage(error: &clap::Error, json: bool) -> u8 {
    if matches!(error.kind(), ClapErrorKind::DisplayHelp | ClapErrorKind::DisplayVersion) {
        // Help for nobody: whoever asked for it has gone.
        let _ = error.print();
        return 0;
    }
    print_error(Kind::Usage, &one_line(&error.render().to_string()), Streams { json, data_on_stdout: false });
    Kind::Usage.exit_code()
}

/// The parser's paragraphs as one line.
fn one_line(rendered: &str) -> String {
    let paragraphs = rendered.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    let said = paragraphs.filter(|paragraph| !paragraph.is_empty() && !paragraph.starts_with("For more information"));
    let line = said.collect::<Vec<_>>().join("; ");
    line.strip_prefix("error: ").unwrap_or(&line).replacen("; Usage: ", "; usage: ", 1)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn message(arguments: &[&str]) -> String {
        one_line(&Cli::try_parse_from(arguments).unwrap_err().render().to_string())
    }

    #[test]
    fn what_the_parser_says_is_one_line() {
        let line = message(&["snaphold", "snapshto", "list"]);
        assert_eq!(
            line,
            "unrecognized subcommand 'snapshto'; tip: a similar subcommand exists: 'snapshot'; usage: snaphold [OPTIONS] \
             <COMMAND>"
        );
        for arguments in [
            &["snaphold", "snapshot", "take"][..],
            &["snaphold", "snapshot", "take", "a", "--retain", "x\ny"],
            &["snaphold", "init", "--encryption", "rot13"],
            &["snaphold", "gc", "--key-file", "a", "--passphrase-file", "b"],
        ] {
            let line = message(arguments);
            assert!(!line.contains('\n') && !line.contains("For more"), "{line}");
        }
    }

    #[test]
    fn json_is_asked_for_before_two_dashes() {
        let wants = |arguments: &[&str]| wants_json(&arguments.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(wants(&["snaphold", "nothing", "--json"]));
        assert!(!wants(&["snaphold", "nothing"]));
        assert!(!wants(&["snaphold", "nothing", "--", "--json"]));
    }
}
