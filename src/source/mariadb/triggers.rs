//! Triggers of a database: what must be known of each to make it again.

use crate::error::{Error, Result};

use super::server::{Server, is_word, literal, quoted, unreadable};

/// A trigger, with all that its text does not say.
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// Its table's.
    pub table: String,
    /// `BEFORE INSERT`.
    head: String,
    definer: String,
    sql_mode: String,
    charset: String,
    collation: String,
    /// The database's collation when it was made.
    of_database: String,
    body: String,
}

impl Trigger {
    /// Reads a row of its columns.
    pub fn of_row(row: Vec<String>) -> Result<Self> {
        let [name, table, head, definer, sql_mode, charset, collation, of_database, body] =
            <[String; 9]>::try_from(row).map_err(|_| unreadable())?;
        Ok(Self { name, table, head, definer, sql_mode, charset, collation, of_database, body })
    }

    /// The columns of the notes that have it, as SQL.
    pub fn values(&self) -> String {
        let columns = [
            &self.name,
            &self.table,
            &self.head,
            &self.definer,
            &self.sql_mode,
            &self.charset,
            &self.collation,
            &self.of_database,
            &self.body,
        ];
        columns.map(|text| literal(text)).join(", ")
    }

    /// The statements that make it in `database`, on the table that is now called `table`. `now` is the database's
    /// collation.
    pub fn statements(&self, database: &str, table: &str, now: &str) -> String {
        // The text comes as UTF-8, so it cannot be said to be anything else.
        let (charset, collation) = match self.charset.starts_with("utf8") {
            true => (self.charset.as_str(), self.collation.as_str()),
            false => ("utf8mb4", "utf8mb4_general_ci"),
        };
        let collate = |collation: &str| match is_word(collation) && self.of_database != now {
            true => format!("ALTER DATABASE {} COLLATE {collation};\n", quoted(database)),
            false => String::new(),
        };
        let end = unlike(&self.body);
        // Names go without the database's, for the server keeps the text as it is.
        format!(
            "{}SET sql_mode = {}; SET character_set_client = {}; SET collation_connection = {};\nDELIMITER {end}\n\
             CREATE DEFINER = {} TRIGGER {} {} ON {} FOR EACH ROW {}\n{end}\nDELIMITER ;\n{}",
            collate(&self.of_database),
            literal(&self.sql_mode),
            literal(charset),
            literal(collation),
            definer(&self.definer),
            quoted(&self.name),
            self.head,
            quoted(table),
            self.body,
            collate(now)
        )
    }
}

/// The triggers of a database, in the order in which they act.
pub fn triggers_of(server: &Server, schema: &str) -> Result<Vec<Trigger>> {
    let rows = server.ask(&format!(
        "SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, CONCAT(ACTION_TIMING, ' ', EVENT_MANIPULATION), DEFINER, SQL_MODE, \
         CHARACTER_SET_CLIENT, COLLATION_CONNECTION, DATABASE_COLLATION, ACTION_STATEMENT \
         FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {} \
         ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER",
        literal(schema)
    ))?;
    let mut triggers = rows.into_iter().map(Trigger::of_row).collect::<Result<Vec<_>>>()?;
    // The list shows `?` for characters of four bytes. The statement has them, and ends with the body.
    for trigger in triggers.iter_mut().filter(|trigger| trigger.body.contains('?')) {
        let rows = server.ask(&format!("SHOW CREATE TRIGGER {}.{}", quoted(schema), quoted(&trigger.name)))?;
        let statement = rows.first().and_then(|row| row.get(2)).map(String::as_str).unwrap_or_default();
        let len = trigger.body.chars().count();
        let skipped = statement.chars().count().saturating_sub(len);
        let body: String = statement.chars().skip(skipped).collect();
        let is_same = body.chars().zip(trigger.body.chars()).all(|(a, b)| a == b || b == '?');
        if !is_same || body.chars().count() != len {
            return Err(Error::Failed(format!("the text of the trigger {schema}.{} cannot be read", trigger.name)));
        }
        trigger.body = body;
    }
    Ok(triggers)
}

/// A delimiter that does not stand in a text. The client takes 15 characters at most.
fn unlike(text: &str) -> String {
    (0_u32..).map(|number| format!("$$end{number}$$")).find(|word| !text.contains(word)).unwrap_or_default()
}

/// A definer as `information_schema` has it, quoted. A role has no host.
fn definer(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((user, host)) if !host.is_empty() => format!("{}@{}", quoted(user), quoted(host)),
        Some((role, _)) => quoted(role),
        None => quoted(text),
    }
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

    #[test]
    fn a_delimiter_is_one_that_the_text_does_not_have() {
        assert_eq!(unlike("x"), "$$end0$$");
        assert_eq!(unlike("x $$end0$$ y"), "$$end1$$");
    }
}
