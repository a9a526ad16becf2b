//! SQL text as `pg_dump` writes it and `psql` runs it: looked through line by line.
//!
//! `psql` obeys lines that begin with a backslash: one connects to another database, one runs a program. A dump of one
//! database has none of them but those that bar them (`\restrict`), so others are refused.

use std::io::{BufRead, Read, Write};

use crate::container::read_error;
use crate::error::{Error, Result};
use crate::ops::Progress;

/// Most of a line that is looked at in one piece, bytes.
const FRAGMENT: u64 = 64 * 1024;
const BEGIN: &[u8] = b"-- PostgreSQL database dump";
const COMPLETE: &[u8] = b"-- PostgreSQL database dump complete";
const COPY_END: &[u8] = b"FROM stdin;";
/// Enough of a line's end to know [`COPY_END`] by.
const TAIL: usize = 16;

/// How the text is written for psql.
pub struct SqlOptions<'k> {
    /// The word that only this program knows, by which psql is barred from commands; `None` for a psql that cannot be.
    pub key: Option<&'k str>,
}

/// Reads SQL text.
pub struct Sql<'n, R> {
    input: R,
    name: &'n str,
    /// The next piece begins a line.
    begins: bool,
    /// The line began as a COPY statement does.
    is_copy: bool,
    /// Rows come, until `\.`.
    in_copy: bool,
    tail: Vec<u8>,
    is_dump: bool,
    is_complete: bool,
}

/// What a piece of text is.
#[derive(PartialEq, Eq)]
enum Piece {
    Text,
    /// A line that bars psql from commands, or ends that.
    Restriction,
}

impl<'n, R: BufRead> Sql<'n, R> {
    /// The text `input`, which errors call `name`.
    pub fn new(input: R, name: &'n str) -> Self {
        Self {
            input,
            name,
            begins: true,
            is_copy: false,
            in_copy: false,
            tail: Vec::new(),
            is_dump: false,
            is_complete: false,
        }
    }

    /// Reads it to its end. One that is cut, or that commands psql, is an error.
    pub fn check(mut self) -> Result<()> {
        let mut piece = Vec::new();
        while self.next(&mut piece)?.is_some() {}
        if self.in_copy || self.is_dump && !self.is_complete {
            let name = self.name;
            return Err(Error::Failed(format!("{name} is cut short: it ends before the dump does; fetch it again")));
        }
        Ok(())
    }

    /// Writes it for psql.
    pub fn write(mut self, options: &SqlOptions<'_>, out: &mut dyn Write, progress: &dyn Progress) -> Result<()> {
        let failed = |error| Error::target("psql's input", error);
        if let Some(key) = options.key {
            out.write_all(format!("\\restrict {key}\n").as_bytes()).map_err(failed)?;
        }
        let mut piece = Vec::new();
        while let Some(kind) = self.next(&mut piece)? {
            progress.advance(piece.len() as u64);
            if kind == Piece::Text {
                out.write_all(&piece).map_err(failed)?;
            }
        }
        if let Some(key) = options.key {
            out.write_all(format!("\n\\unrestrict {key}\n").as_bytes()).map_err(failed)?;
        }
        Ok(())
    }

    /// The next line, or a piece of a long one.
    fn next(&mut self, piece: &mut Vec<u8>) -> Result<Option<Piece>> {
        piece.clear();
        let read = (&mut self.input).take(FRAGMENT).read_until(b'\n', piece);
        if read.map_err(|error| read_error(self.name, error))? == 0 {
            return Ok(None);
        }
        let begins = std::mem::replace(&mut self.begins, piece.ends_with(b"\n"));
        let mut kind = Piece::Text;
        if begins {
            kind = self.begin_line(piece)?;
        }
        self.tail.extend(piece.get(piece.len().saturating_sub(TAIL)..).unwrap_or_default());
        self.tail.drain(..self.tail.len().saturating_sub(TAIL));
        if self.begins && std::mem::take(&mut self.is_copy) {
            self.in_copy = self.tail.trim_ascii_end().ends_with(COPY_END);
        }
        Ok(Some(kind))
    }

    fn begin_line(&mut self, piece: &[u8]) -> Result<Piece> {
        self.tail.clear();
        let line = piece.trim_ascii_end();
        if self.in_copy {
            self.in_copy = line != b"\\.";
            return Ok(Piece::Text);
        }
        self.is_dump |= line == BEGIN;
        self.is_complete |= line == COMPLETE;
        self.is_copy = line.starts_with(b"COPY ");
        if !line.starts_with(b"\\") {
            return Ok(Piece::Text);
        }
        let word: Vec<u8> = line.iter().copied().take_while(|byte| !byte.is_ascii_whitespace()).collect();
        match word.as_slice() {
            b"\\restrict" | b"\\unrestrict" => Ok(Piece::Restriction),
            b"\\connect" | b"\\c" => Err(Error::Refused(format!(
                "{} goes to a database of its own choice (\\connect); make it by pg_dump without --create, of one database",
                self.name
            ))),
            word => Err(Error::Refused(format!(
                "{} commands psql ({}); a dump of a database has only SQL",
                self.name,
                String::from_utf8_lossy(word)
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<()> {
        Sql::new(text.as_bytes(), "x.sql").check()
    }

    fn written(text: &str) -> String {
        let mut out = Vec::new();
        let options = SqlOptions { key: Some("k") };
        Sql::new(text.as_bytes(), "x.sql").write(&options, &mut out, &crate::ops::Silent).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rows_may_begin_as_commands_do_and_text_may_not() {
        check("COPY public.t (a) FROM stdin;\n\\N\n\\! ls\n\\.\nSELECT 1;\n").unwrap();
        assert!(check("SELECT 1;\n\\! ls\n").unwrap_err().to_string().contains("commands psql (\\!)"));
        assert!(check("\\connect other\n").unwrap_err().to_string().contains("without --create"));
        let wide = format!("COPY public.t ({}) FROM stdin;\n\\N\n\\.\n", "a, ".repeat(100_000));
        check(&wide).unwrap();
    }

    #[test]
    fn a_text_that_ends_early_is_cut() {
        for cut in ["COPY t FROM stdin;\n1\n", "--\n-- PostgreSQL database dump\n--\nSELECT 1;\n"] {
            assert!(check(cut).unwrap_err().to_string().contains("is cut short"), "{cut}");
        }
        check("-- PostgreSQL database dump\n-- PostgreSQL database dump complete\n").unwrap();
    }

    #[test]
    fn the_bar_is_this_programs_own() {
        assert_eq!(written("\\restrict x\nSELECT 1;\n\\unrestrict x"), "\\restrict k\nSELECT 1;\n\n\\unrestrict k\n");
    }
}
