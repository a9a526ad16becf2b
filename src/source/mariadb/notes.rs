//! What an exchange of databases must know again after a crash. It stands in a table of the new database.

use crate::error::Result;
use crate::source::kind::Attempt;

use super::server::{Server, is_word, literal, quoted, unreadable};
use super::triggers::{Trigger, triggers_of};

/// The longest name that a database can have, characters.
const NAME_MAX: usize = 64;
/// What is written of a text into one row, bytes: well below the smallest usual `max_allowed_packet`.
const TEXT_PIECE: usize = 256 * 1024;

/// One of the two sets of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// What was there.
    Old,
    /// What is restored.
    New,
}

impl Side {
    /// In names and notes.
    pub fn word(self) -> &'static str {
        match self {
            Side::Old => "old",
            Side::New => "new",
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Side::Old => Side::New,
            Side::New => Side::Old,
        }
    }
}

/// Texts of a database's objects that are no tables, as statements that make them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Programs {
    /// Procedures, functions, packages.
    pub routines: Vec<u8>,
    /// Views.
    pub views: Vec<u8>,
    /// Events. They would run where they stand: so they are made at the very end.
    pub events: Vec<u8>,
}

impl Programs {
    /// Whether there is nothing of the kind.
    pub fn is_empty(&self) -> bool {
        self.routines.is_empty() && self.views.is_empty() && self.events.is_empty()
    }
}

/// The notes of one restore.
pub struct Notes<'s> {
    /// The server that they are on.
    pub server: &'s Server,
    /// The database that is used.
    pub database: String,
    /// The restore's.
    pub id: String,
}

impl<'s> Notes<'s> {
    /// Those of a restore of `database`, whether they are there yet or not.
    pub fn new(server: &'s Server, database: &str, attempt: &Attempt) -> Self {
        Self { server, database: database.into(), id: attempt.id.clone() }
    }

    /// The database of a side: where the new tables are made, and the old ones are kept. Its name begins with that of the
    /// used one, so that rights can be granted to all such by one pattern.
    pub fn home(&self, side: Side) -> String {
        let end = format!("_snaphold_{}_{}", side.word(), self.id);
        let begin: String = self.database.chars().take(NAME_MAX.saturating_sub(end.chars().count())).collect();
        format!("{begin}{end}")
    }

    fn table(&self) -> String {
        format!("{}.{}", quoted(&self.home(Side::New)), quoted(&self.name()))
    }

    fn name(&self) -> String {
        format!("snaphold_restore_{}", self.id)
    }

    /// Writes down what the new side is. The last act of staging.
    pub fn staged(&self, programs: &Programs) -> Result<()> {
        let notes = self.table();
        let mut sql = format!(
            "CREATE TABLE {notes} (seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, side CHAR(3) NOT NULL, \
             kind VARCHAR(16) NOT NULL, name VARCHAR(64) NOT NULL DEFAULT '', tbl VARCHAR(64) NOT NULL DEFAULT '', \
             head VARCHAR(64) NOT NULL DEFAULT '', definer VARCHAR(400) NOT NULL DEFAULT '', sql_mode TEXT, \
             charset VARCHAR(64), collation VARCHAR(64), of_database VARCHAR(64), body LONGBLOB) \
             ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;\nBEGIN;\n"
        );
        let home = self.home(Side::New);
        sql.push_str(&self.note_tables(Side::New, &home)?);
        note_programs(&mut sql, &notes, Side::New, programs);
        sql.push_str(&note_charset(&notes, Side::New, &home));
        sql.push_str(&format!("INSERT INTO {notes} (side, kind) VALUES ('new', 'complete');\nCOMMIT;\n"));
        self.server.ask(&sql).map(drop)
    }

    /// SQL that writes down a side's tables and triggers, which are in `schema`.
    fn note_tables(&self, side: Side, schema: &str) -> Result<String> {
        let (notes, word) = (self.table(), side.word());
        let mut sql = format!(
            "INSERT INTO {notes} (side, kind, name) SELECT '{word}', 'table', TABLE_NAME FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = {} AND TABLE_TYPE NOT LIKE '%VIEW%' AND TABLE_NAME <> {} ORDER BY TABLE_NAME;\n",
            literal(schema),
            literal(&self.name())
        );
        for trigger in triggers_of(self.server, schema)? {
            sql.push_str(&format!(
                "INSERT INTO {notes} (side, kind, name, tbl, head, definer, sql_mode, charset, collation, of_database, body) \
                 VALUES ('{word}', 'trigger', {});\n",
                trigger.values()
            ));
        }
        Ok(sql)
    }

    /// Writes down what is there now, once: before the first step. `programs` gives its texts.
    pub fn prepare(&self, programs: impl FnOnce() -> Result<Programs>) -> Result<()> {
        if self.has(Side::Old, "complete")? {
            return Ok(());
        }
        let (notes, schema) = (self.table(), literal(&self.database));
        let existed = self
            .server
            .ask_number(&format!("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {schema}"))?;
        let programs = if existed > 0 { programs()? } else { Programs::default() };
        let mut sql = "BEGIN;\n".to_string();
        sql.push_str(&self.note_tables(Side::Old, &self.database)?);
        note_programs(&mut sql, &notes, Side::Old, &programs);
        sql.push_str(&note_charset(&notes, Side::Old, &self.database));
        let existed = if existed > 0 { "existed" } else { "absent" };
        sql.push_str(&format!(
            "INSERT INTO {notes} (side, kind) VALUES ('old', '{existed}'), ('old', 'complete');\nCOMMIT;\n"
        ));
        self.server.ask(&sql).map(drop)
    }

    /// Whether a side has a note of a kind.
    pub fn has(&self, side: Side, kind: &str) -> Result<bool> {
        let there = self.server.ask_number(&format!(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            literal(&self.home(Side::New)),
            literal(&self.name())
        ))?;
        if there == 0 {
            return Ok(false);
        }
        let notes = self.table();
        let found = self
            .server
            .ask_number(&format!("SELECT COUNT(*) FROM {notes} WHERE side = '{}' AND kind = '{kind}'", side.word()))?;
        Ok(found > 0)
    }

    /// The number of tables of the new side.
    pub fn new_tables(&self) -> Result<u64> {
        self.server.ask_number(&format!("SELECT COUNT(*) FROM {} WHERE side = 'new' AND kind = 'table'", self.table()))
    }

    /// A side's triggers.
    pub fn triggers(&self, side: Side) -> Result<Vec<Trigger>> {
        let rows = self.server.ask(&format!(
            "SELECT name, tbl, head, definer, sql_mode, charset, collation, of_database, CONVERT(body USING utf8mb4) \
             FROM {} WHERE side = '{}' AND kind = 'trigger' ORDER BY seq",
            self.table(),
            side.word()
        ))?;
        rows.into_iter().map(Trigger::of_row).collect()
    }

    /// The texts of a side.
    pub fn programs(&self, side: Side) -> Result<Programs> {
        let rows = self.server.ask(&format!(
            "SELECT kind, HEX(body) FROM {} WHERE side = '{}' AND kind IN ('routines', 'views', 'events') ORDER BY seq",
            self.table(),
            side.word()
        ))?;
        let mut programs = Programs::default();
        for row in rows {
            let [kind, digits] = <[String; 2]>::try_from(row).map_err(|_| unreadable())?;
            let text = match kind.as_str() {
                "routines" => &mut programs.routines,
                "views" => &mut programs.views,
                _ => &mut programs.events,
            };
            for at in (0..digits.len()).step_by(2) {
                let byte = digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
                text.push(byte.ok_or_else(unreadable)?);
            }
        }
        Ok(programs)
    }

    /// The tables of both sides: a number, the side, the name.
    pub fn tables(&self) -> Result<Vec<(u64, Side, String)>> {
        let rows = self
            .server
            .ask(&format!("SELECT seq, side, name FROM {} WHERE kind = 'table' ORDER BY seq", self.table()))?;
        rows.into_iter()
            .map(|row| {
                let [seq, side, name] = <[String; 3]>::try_from(row).map_err(|_| unreadable())?;
                let side = if side == "old" { Side::Old } else { Side::New };
                Ok((seq.parse().map_err(|_| unreadable())?, side, name))
            })
            .collect()
    }

    /// A side's character set and collation; `None` for a database that was not there.
    pub fn charset(&self, side: Side) -> Result<Option<(String, String)>> {
        let rows = self.server.ask(&format!(
            "SELECT charset, collation FROM {} WHERE side = '{}' AND kind = 'charset'",
            self.table(),
            side.word()
        ))?;
        let pair = rows.into_iter().next().and_then(|row| <[String; 2]>::try_from(row).ok());
        Ok(pair.map(|[charset, collation]| (charset, collation)).filter(|(a, b)| is_word(a) && is_word(b)))
    }

    /// Notes which side is shown; `None`: neither is for certain.
    pub fn set_shown(&self, side: Option<Side>) -> Result<()> {
        let table = self.table();
        let insert = side.map(|side| format!("INSERT INTO {table} (side, kind) VALUES ('{}', 'shown');", side.word()));
        self.server
            .ask(&format!("BEGIN; DELETE FROM {table} WHERE kind = 'shown'; {} COMMIT;", insert.unwrap_or_default()))
            .map(drop)
    }
}

fn note_programs(sql: &mut String, notes: &str, side: Side, programs: &Programs) {
    let texts = [("routines", &programs.routines), ("views", &programs.views), ("events", &programs.events)];
    for (kind, text) in texts {
        for piece in text.chunks(TEXT_PIECE) {
            let digits: String = piece.iter().map(|byte| format!("{byte:02x}")).collect();
            sql.push_str(&format!(
                "INSERT INTO {notes} (side, kind, body) VALUES ('{}', '{kind}', X'{digits}');\n",
                side.word()
            ));
        }
    }
}

fn note_charset(notes: &str, side: Side, schema: &str) -> String {
    format!(
        "INSERT INTO {notes} (side, kind, charset, collation) SELECT '{}', 'charset', DEFAULT_CHARACTER_SET_NAME, \
         DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {};\n",
        side.word(),
        literal(schema)
    )
}
