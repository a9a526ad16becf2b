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
//!   6. views and events are made, and defaults name the sequences where they are now.
//!
//! What is needed for it stands in a table of the new database, which is written in one transaction before the first
//! step: the tables of both sides, triggers, and the texts of the rest. Where each table is tells how far it came. So
//! each step can be done again, and the way back is the same way with the sides exchanged.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::source::kind::Attempt;

use super::notes::{Notes, Side};
use super::server::{Server, is_word, literal, quoted, unreadable};
use super::triggers::Trigger;

/// How long a rename waits for transactions that use a table, seconds.
const LOCK_WAIT: u32 = 60;
/// The exchange of one database by one restore.
pub struct Exchange<'s> {
    server: &'s Server,
    /// The database that is used.
    database: String,
    id: String,
    /// What must be known again.
    pub notes: Notes<'s>,
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

impl<'s> Exchange<'s> {
    /// The exchange of `database`.
    pub fn new(server: &'s Server, database: &str, attempt: &Attempt) -> Self {
        let notes = Notes::new(server, database, attempt);
        Self { server, database: database.into(), id: attempt.id.clone(), notes }
    }

    /// The database of a side.
    pub fn home(&self, side: Side) -> String {
        self.notes.home(side)
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

    /// A table's present name in the used database.
    fn name_at(&self, table: &Table) -> String {
        match table.place {
            TablePlace::Hidden => self.hidden(table),
            TablePlace::Live | TablePlace::Home => table.name.clone(),
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

    /// Shows one side and puts the other away. May be done again from anywhere in it, and in the other direction.
    pub fn show(&self, side: Side) -> Result<()> {
        self.make_database(side)?;
        let tables = self.tables()?;
        let (triggers, programs) = (self.notes.triggers(side)?, self.notes.programs(side)?);
        let others = !self.notes.triggers(side.other())?.is_empty() || !self.notes.programs(side.other())?.is_empty();
        if triggers.is_empty() && programs.is_empty() && !others {
            self.rename(&tables, &[(side.other(), TablePlace::Home), (side, TablePlace::Live)])?;
            return self.name_sequences();
        }
        if !self.notes.has(side, "shown")? {
            self.notes.set_shown(None)?;
            let live = tables.iter().filter(|table| table.place == TablePlace::Live);
            self.rename_each(&live.map(|table| (table, TablePlace::Hidden)).collect::<Vec<_>>())?;
            self.drop_programs()?;
            self.rename(&self.tables()?, &[(side.other(), TablePlace::Home), (side, TablePlace::Hidden)])?;
            self.make_triggers(side, &triggers)?;
            self.feed(&programs.routines)?;
            self.rename(&self.tables()?, &[(side, TablePlace::Live)])?;
            self.notes.set_shown(Some(side))?;
        }
        self.name_sequences()?;
        self.feed(&programs.views)?;
        self.feed(&programs.events)
    }

    /// Columns whose default is a sequence's next value name the sequence's database: the one that they were made in.
    /// Until that is the used one, an insertion that needs the default is an error.
    fn name_sequences(&self) -> Result<()> {
        let made_in = format!("nextval({}.", quoted(&self.home(Side::New)));
        let rows = self.server.ask(&format!(
            "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_DEFAULT FROM information_schema.COLUMNS \
             WHERE TABLE_SCHEMA = {} AND INSTR(COLUMN_DEFAULT, {}) > 0",
            literal(&self.database),
            literal(&made_in)
        ))?;
        let used = format!("nextval({}.", quoted(&self.database));
        let mut sql = format!("SET lock_wait_timeout = {LOCK_WAIT};\n");
        for row in rows {
            let [table, column, default] = <[String; 3]>::try_from(row).map_err(|_| unreadable())?;
            sql.push_str(&format!(
                "ALTER TABLE {}.{} ALTER COLUMN {} SET DEFAULT ({});\n",
                quoted(&self.database),
                quoted(&table),
                quoted(&column),
                default.replace(&made_in, &used)
            ));
        }
        self.server.ask(&sql).map(drop)
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
        let mut sql = format!("CREATE DATABASE IF NOT EXISTS {database}; CREATE DATABASE IF NOT EXISTS {kept};");
        if let Some((charset, collation)) = self.notes.charset(side)? {
            sql.push_str(&format!("ALTER DATABASE {database} CHARACTER SET {charset} COLLATE {collation};"));
        }
        self.server.ask(&sql).map(drop)
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
        let placed = self.notes.tables()?.into_iter().map(|(number, side, name)| {
            let mut table = Table { side, number, name, place: TablePlace::Live };
            if there.contains(&(self.home(side), table.name.clone())) {
                table.place = TablePlace::Home;
            } else if there.contains(&(self.database.clone(), self.hidden(&table))) {
                table.place = TablePlace::Hidden;
            }
            table
        });
        Ok(placed.collect())
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
        if triggers.is_empty() {
            return Ok(());
        }
        let tables = self.tables()?;
        let now = self.collation()?;
        let mut sql = String::new();
        for trigger in triggers {
            let table =
                tables.iter().find(|table| table.side == side && table.name == trigger.table).ok_or_else(unreadable)?;
            sql.push_str(&trigger.statements(&self.database, &self.name_at(table), &now));
        }
        self.feed(sql.as_bytes())
    }

    /// The used database's collation.
    fn collation(&self) -> Result<String> {
        let sql = format!(
            "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = {}",
            literal(&self.database)
        );
        Ok(self.server.ask_one(&sql)?.unwrap_or_default())
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
        if self.notes.has(Side::Old, "complete")? {
            self.show(Side::Old)?;
            if self.notes.has(Side::Old, "absent")? {
                self.server.ask(&format!("DROP DATABASE IF EXISTS {}", quoted(&self.database)))?;
            }
        }
        self.finish()
    }
}
