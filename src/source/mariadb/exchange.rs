//! Putting a database that was loaded beside another one into its place, and back.
//!
//! MariaDB renames tables from one database to another, many in one statement that happens whole or not at all, but no
//! database, and neither triggers, views, routines nor events. So, with three databases, the one that is used, the new
//! one and one for what is kept:
//!
//! - *Where there are only tables*, one `RENAME TABLE` moves all old ones out and all new ones in.
//! - *Where there is more*, the way has six steps, and at each moment those who use the database see the old tables with
//!   the old triggers, or no tables (an error), or the new tables with the new triggers; never a mixture:
//!   1. one `RENAME TABLE` hides the old tables under other names in their own database, where triggers go with them;
//!   2. triggers, views, routines and events go: what they are was written down before;
//!   3. one `RENAME TABLE` moves the hidden old tables out, and the new ones in, hidden;
//!   4. triggers are made on the hidden new tables, and routines;
//!   5. one `RENAME TABLE` shows the new tables;
//!   6. views and events are made.
//!
//! What is needed for it stands in a table of the new database, which is written in one transaction before the first
//! step: the tables of both sides, triggers, and the texts of the rest. Where each table is tells how far it came. So
//! each step can be done again, and the way back is the same way with the sides exchanged.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::source::kind::Attempt;

use super::server::{Server, literal, quoted};

/// How long a rename waits for transactions that use a table, seconds.
const LOCK_WAIT: u32 = 60;
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
    fn word(self) -> &'static str {
        match self {
            Side::Old => "old",
            Side::New => "new",
        }
    }

    fn other(self) -> Self {
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
    fn is_empty(&self) -> bool {
        self.routines.is_empty() && self.views.is_empty() && self.events.is_empty()
    }
}

/// The exchange of one database by one restore.
pub struct Exchange<'s> {
    server: &'s Server,
    /// The database that is used.
    database: String,
    id: String,
}

/// A table of either side, and where it is.
struct Table {
    side: Side,
    number: u64,
    name: String,
    place: TablePlace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TablePlace {
    /// In its side's own database.
    Home,
    /// In the used database, under another name.
    Hidden,
    /// In the used database, under its own name.
    Live,
}

struct Trigger {
    table: u64,
    name: String,
    head: String,
    definer: String,
    sql_mode: String,
    charset: String,
    collation: String,
    body: String,
}

impl<'s> Exchange<'s> {
    /// The exchange of `database`.
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

    fn notes(&self) -> String {
        format!("{}.{}", quoted(&self.home(Side::New)), quoted(&self.notes_name()))
    }

    fn notes_name(&self) -> String {
        format!("snaphold_restore_{}", self.id)
    }

    fn hidden(&self, table: &Table) -> String {
        format!("snaphold_{}_{}{}", self.id, table.side.word(), table.number)
    }

    fn place_of(&self, table: &Table, place: TablePlace) -> String {
        match place {
            TablePlace::Home => format!("{}.{}", quoted(&self.home(table.side)), quoted(&table.name)),
            TablePlace::Hidden => format!("{}.{}", quoted(&self.database), quoted(&self.hidden(table))),
            TablePlace::Live => format!("{}.{}", quoted(&self.database), quoted(&table.name)),
        }
    }

    /// Makes the new database, empty. What an earlier try left goes.
    pub fn make_new(&self, charset: &str, collation: &str) -> Result<()> {
        let home = quoted(&self.home(Side::New));
        let mut words = String::new();
        if is_word(charset) && is_word(collation) {
            words = format!(" CHARACTER SET {charset} COLLATE {collation}");
        }
        self.server.ask(&format!("DROP DATABASE IF EXISTS {home}; CREATE DATABASE {home}{words};")).map(drop)
    }

    /// Writes down what the new side is. The last act of staging.
    pub fn staged(&self, programs: &Programs) -> Result<()> {
        let notes = self.notes();
        let mut sql = format!(
            "CREATE TABLE {notes} (seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, side CHAR(3) NOT NULL, \
             kind VARCHAR(16) NOT NULL, name VARCHAR(64) NOT NULL DEFAULT '', tbl VARCHAR(64) NOT NULL DEFAULT '', \
             head VARCHAR(64) NOT NULL DEFAULT '', definer VARCHAR(400) NOT NULL DEFAULT '', sql_mode TEXT, \
             charset VARCHAR(64), collation VARCHAR(64), body LONGBLOB) \
             ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;\nBEGIN;\n"
        );
        let home = self.home(Side::New);
        sql.push_str(&self.note_tables(Side::New, &home));
        note_programs(&mut sql, &notes, Side::New, programs);
        sql.push_str(&note_charset(&notes, Side::New, &home));
        sql.push_str(&format!("INSERT INTO {notes} (side, kind) VALUES ('new', 'complete');\nCOMMIT;\n"));
        self.server.ask(&sql).map(drop)
    }

    /// SQL that writes down a side's tables and triggers, which are in `schema`.
    fn note_tables(&self, side: Side, schema: &str) -> String {
        let (notes, word, schema) = (self.notes(), side.word(), literal(schema));
        format!(
            "INSERT INTO {notes} (side, kind, name) SELECT '{word}', 'table', TABLE_NAME FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = {schema} AND TABLE_TYPE NOT LIKE '%VIEW%' AND TABLE_NAME <> {} ORDER BY TABLE_NAME;\n\
             INSERT INTO {notes} (side, kind, name, tbl, head, definer, sql_mode, charset, collation, body) \
             SELECT '{word}', 'trigger', TRIGGER_NAME, EVENT_OBJECT_TABLE, CONCAT(ACTION_TIMING, ' ', EVENT_MANIPULATION), \
             DEFINER, SQL_MODE, CHARACTER_SET_CLIENT, COLLATION_CONNECTION, ACTION_STATEMENT \
             FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {schema} \
             ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER;\n",
            literal(&self.notes_name())
        )
    }

    /// Writes down what is there now, once: before the first step. `programs` gives its texts.
    pub fn prepare(&self, programs: impl FnOnce() -> Result<Programs>) -> Result<()> {
        if self.has_note(Side::Old, "complete")? {
            return Ok(());
        }
        let (notes, schema) = (self.notes(), literal(&self.database));
        let existed = self
            .server
            .ask_number(&format!("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {schema}"))?;
        let programs = if existed > 0 { programs()? } else { Programs::default() };
        let mut sql = "BEGIN;\n".to_string();
        sql.push_str(&self.note_tables(Side::Old, &self.database));
        note_programs(&mut sql, &notes, Side::Old, &programs);
        sql.push_str(&note_charset(&notes, Side::Old, &self.database));
        let existed = if existed > 0 { "existed" } else { "absent" };
        sql.push_str(&format!(
            "INSERT INTO {notes} (side, kind) VALUES ('old', '{existed}'), ('old', 'complete');\nCOMMIT;\n"
        ));
        self.server.ask(&sql).map(drop)
    }

    fn has_note(&self, side: Side, kind: &str) -> Result<bool> {
        let there = self.server.ask_number(&format!(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            literal(&self.home(Side::New)),
            literal(&self.notes_name())
        ))?;
        if there == 0 {
            return Ok(false);
        }
        let notes = self.notes();
        let found = self
            .server
            .ask_number(&format!("SELECT COUNT(*) FROM {notes} WHERE side = '{}' AND kind = '{kind}'", side.word()))?;
        Ok(found > 0)
    }

    /// The number of tables of the new side.
    pub fn new_tables(&self) -> Result<u64> {
        self.server.ask_number(&format!("SELECT COUNT(*) FROM {} WHERE side = 'new' AND kind = 'table'", self.notes()))
    }

    /// Shows one side and puts the other away. May be done again from anywhere in it, and in the other direction.
    pub fn show(&self, side: Side) -> Result<()> {
        self.make_database(side)?;
        let tables = self.tables()?;
        let away = |table: &&Table| table.side != side;
        let is_shown = tables.iter().all(|table| match away(&table) {
            true => table.place == TablePlace::Home,
            false => table.place == TablePlace::Live,
        });
        let (triggers, programs) = (self.triggers(side)?, self.programs(side)?);
        let others = !self.triggers(side.other())?.is_empty() || !self.programs(side.other())?.is_empty();
        if triggers.is_empty() && programs.is_empty() && !others {
            return self.rename(&tables, &[(side.other(), TablePlace::Home), (side, TablePlace::Live)]);
        }
        if !is_shown {
            let live: Vec<&Table> = tables.iter().filter(|table| table.place == TablePlace::Live).collect();
            let hiding: Vec<_> = live.iter().map(|table| (*table, TablePlace::Hidden)).collect();
            self.rename_each(&hiding)?;
            self.drop_programs()?;
            let tables = self.tables()?;
            self.rename(&tables, &[(side.other(), TablePlace::Home), (side, TablePlace::Hidden)])?;
            self.make_triggers(side, &triggers)?;
            self.feed(&programs.routines)?;
            self.rename(&self.tables()?, &[(side, TablePlace::Live)])?;
        }
        self.feed(&programs.views)?;
        self.feed(&programs.events)
    }

    fn feed(&self, text: &[u8]) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.server.feed(&self.database, |out| {
            out.write_all(text).map_err(|error| Error::Failed(format!("mariadb stopped: {error}")))
        })
    }

    /// The database itself, and the place for what is put away.
    fn make_database(&self, side: Side) -> Result<()> {
        let (database, kept) = (quoted(&self.database), quoted(&self.home(side.other())));
        let rows = self.server.ask(&format!(
            "CREATE DATABASE IF NOT EXISTS {database}; CREATE DATABASE IF NOT EXISTS {kept}; \
             SELECT charset, collation FROM {} WHERE side = '{}' AND kind = 'charset';",
            self.notes(),
            side.word()
        ))?;
        match rows.first().map(Vec::as_slice) {
            Some([charset, collation]) if is_word(charset) && is_word(collation) => self
                .server
                .ask(&format!("ALTER DATABASE {database} CHARACTER SET {charset} COLLATE {collation}"))
                .map(drop),
            _ => Ok(()),
        }
    }

    /// All tables of both sides, with their places.
    fn tables(&self) -> Result<Vec<Table>> {
        let names = [self.database.clone(), self.home(Side::Old), self.home(Side::New)];
        let there: HashSet<(String, String)> = self
            .server
            .ask(&format!(
                "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES \
                 WHERE TABLE_SCHEMA IN ({}) AND TABLE_TYPE NOT LIKE '%VIEW%'",
                names.map(|name| literal(&name)).join(", ")
            ))?
            .into_iter()
            .filter_map(|row| <[String; 2]>::try_from(row).ok())
            .map(|[schema, name]| (schema, name))
            .collect();
        let rows = self
            .server
            .ask(&format!("SELECT seq, side, name FROM {} WHERE kind = 'table' ORDER BY seq", self.notes()))?;
        rows.into_iter()
            .map(|row| {
                let [seq, side, name] = <[String; 3]>::try_from(row).map_err(|_| unreadable())?;
                let side = if side == "old" { Side::Old } else { Side::New };
                let number = seq.parse().map_err(|_| unreadable())?;
                let mut table = Table { side, number, name, place: TablePlace::Live };
                if there.contains(&(self.home(side), table.name.clone())) {
                    table.place = TablePlace::Home;
                } else if there.contains(&(self.database.clone(), self.hidden(&table))) {
                    table.place = TablePlace::Hidden;
                }
                Ok(table)
            })
            .collect()
    }

    /// Moves the tables of sides to places, all in one statement: in the order given, so that a name is free before
    /// another table takes it.
    fn rename(&self, tables: &[Table], moves: &[(Side, TablePlace)]) -> Result<()> {
        let mut renames = Vec::new();
        for (side, place) in moves {
            renames.extend(
                tables.iter().filter(|table| table.side == *side && table.place != *place).map(|table| (table, *place)),
            );
        }
        self.rename_each(&renames)
    }

    fn rename_each(&self, renames: &[(&Table, TablePlace)]) -> Result<()> {
        if renames.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = renames
            .iter()
            .map(|(table, place)| format!("{} TO {}", self.place_of(table, table.place), self.place_of(table, *place)))
            .collect();
        self.server.ask(&format!("SET lock_wait_timeout = {LOCK_WAIT}; RENAME TABLE {};", list.join(", "))).map(drop)
    }

    fn triggers(&self, side: Side) -> Result<Vec<Trigger>> {
        let notes = self.notes();
        let rows = self.server.ask(&format!(
            "SELECT t.seq, g.name, g.head, g.definer, g.sql_mode, g.charset, g.collation, CONVERT(g.body USING utf8mb4) \
             FROM {notes} g JOIN {notes} t ON t.side = g.side AND t.kind = 'table' AND t.name = g.tbl \
             WHERE g.side = '{}' AND g.kind = 'trigger' ORDER BY g.seq",
            side.word()
        ))?;
        rows.into_iter()
            .map(|row| {
                let [seq, name, head, definer, sql_mode, charset, collation, body] =
                    <[String; 8]>::try_from(row).map_err(|_| unreadable())?;
                let table = seq.parse().map_err(|_| unreadable())?;
                Ok(Trigger { table, name, head, definer, sql_mode, charset, collation, body })
            })
            .collect()
    }

    fn programs(&self, side: Side) -> Result<Programs> {
        let rows = self.server.ask(&format!(
            "SELECT kind, HEX(body) FROM {} WHERE side = '{}' AND kind IN ('routines', 'views', 'events') ORDER BY seq",
            self.notes(),
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

    /// Takes away all that is no table. Nothing is shown at this moment.
    fn drop_programs(&self) -> Result<()> {
        let home = self.home(Side::New);
        let rows = self.server.ask(&format!(
            "SELECT 'TRIGGER', TRIGGER_SCHEMA, TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA IN ({0}, {1}) \
             UNION ALL SELECT 'VIEW', TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES \
             WHERE TABLE_SCHEMA = {0} AND TABLE_TYPE LIKE '%VIEW%' \
             UNION ALL SELECT ROUTINE_TYPE, ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = {0} \
             UNION ALL SELECT 'EVENT', EVENT_SCHEMA, EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = {0}",
            literal(&self.database),
            literal(&home)
        ))?;
        let mut sql = format!("SET lock_wait_timeout = {LOCK_WAIT};\n");
        for row in rows {
            let [kind, schema, name] = <[String; 3]>::try_from(row).map_err(|_| unreadable())?;
            sql.push_str(&format!("DROP {kind} IF EXISTS {}.{};\n", quoted(&schema), quoted(&name)));
        }
        self.server.ask(&sql).map(drop)
    }

    fn make_triggers(&self, side: Side, triggers: &[Trigger]) -> Result<()> {
        let tables = self.tables()?;
        let mut sql = Vec::new();
        for trigger in triggers {
            let table = tables
                .iter()
                .find(|table| table.side == side && table.number == trigger.table)
                .ok_or_else(unreadable)?;
            sql.push(format!(
                "SET sql_mode = {}; SET collation_connection = {}; SET character_set_client = {};\nDELIMITER {END}\n\
                 CREATE DEFINER = {} TRIGGER {}.{} {} ON {} FOR EACH ROW {}\n{END}\nDELIMITER ;\n",
                literal(&trigger.sql_mode),
                literal(&trigger.collation),
                literal(&trigger.charset),
                definer(&trigger.definer),
                quoted(&self.database),
                quoted(&trigger.name),
                trigger.head,
                self.place_of(table, table.place),
                trigger.body
            ));
        }
        self.feed(sql.concat().as_bytes())
    }

    /// Takes away what was kept, and the notes.
    pub fn finish(&self) -> Result<()> {
        let (old, new) = (quoted(&self.home(Side::Old)), quoted(&self.home(Side::New)));
        // Keys from one of its tables to another do not stand in the way.
        self.server
            .ask(&format!(
                "SET foreign_key_checks = 0; SET lock_wait_timeout = {LOCK_WAIT}; DROP DATABASE IF EXISTS {old}; \
                 DROP DATABASE IF EXISTS {new};"
            ))
            .map(drop)
    }

    /// Brings back what was there, and takes away what was staged.
    pub fn revert(&self) -> Result<()> {
        if self.has_note(Side::Old, "complete")? {
            self.show(Side::Old)?;
            if self.has_note(Side::Old, "absent")? {
                self.server.ask(&format!("DROP DATABASE IF EXISTS {}", quoted(&self.database)))?;
            }
        }
        self.finish()
    }
}

/// What ends a trigger's text: nothing that stands in one.
const END: &str = "//snaphold-end//";

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

/// A definer as `information_schema` has it, quoted. A role has no host.
fn definer(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((user, host)) if !host.is_empty() => format!("{}@{}", quoted(user), quoted(host)),
        Some((role, _)) => quoted(role),
        None => quoted(text),
    }
}

/// Whether a text is a plain word, such as a character set's name.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn unreadable() -> Error {
    Error::Failed("the notes of the restore, in the staged database, cannot be read".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definers_are_quoted_in_their_two_parts() {
        assert_eq!(definer("root@localhost"), "`root`@`localhost`");
        assert_eq!(definer("a@b@%"), "`a@b`@`%`");
        assert_eq!(definer("role@"), "`role`");
    }
}
