//! The statements that make a database and give it its settings, out of a dump: those of `pg_dump`, under another name.

use super::archive::{Contents, Entry, text};
use super::server::identifier;

/// Beginnings of lines that name the database behind `DATABASE`.
const VERBS: &[&str] =
    &["CREATE DATABASE ", "ALTER DATABASE ", "ALTER ROLE ", "GRANT ", "REVOKE ", "COMMENT ON ", "SECURITY LABEL "];

/// How to make a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recipe {
    /// Makes it, empty: encoding and locale are in it.
    pub create: String,
    /// Gives it its owner, settings, rights and comment, when its content is there.
    pub settings: String,
}

impl Recipe {
    /// What a dump says of its database, for a database called `name`; `None` where it says nothing.
    pub fn of(contents: &Contents, name: &str) -> Option<Self> {
        let database = contents.of_kind("DATABASE").next()?;
        let definition = text(&database.definition);
        let old = first_name(definition.strip_prefix("CREATE DATABASE ")?)?;
        let new = identifier(name);
        let mut settings = String::new();
        if !database.owner.is_empty() {
            settings.push_str(&format!("ALTER DATABASE {new} OWNER TO {};\n", identifier(&text(&database.owner))));
        }
        for entry in contents.entries.iter().filter(|entry| is_about(entry, &database.tag)) {
            settings.push_str(&renamed(&text(&entry.definition), old, &new));
            settings.push('\n');
        }
        Some(Self { create: renamed(&definition, old, &new), settings })
    }

    /// A database as the server makes them, called `name`.
    pub fn plain(name: &str) -> Self {
        Self { create: format!("CREATE DATABASE {} TEMPLATE template0;\n", identifier(name)), settings: String::new() }
    }
}

fn is_about(entry: &Entry, database: &[u8]) -> bool {
    let tag = text(&entry.tag);
    match entry.kind.as_str() {
        "DATABASE PROPERTIES" => true,
        "ACL" | "COMMENT" | "SECURITY LABEL" => {
            entry.schema.is_empty()
                && tag.strip_prefix("DATABASE ").is_some_and(|name| name.trim_matches('"') == text(database))
        }
        _ => false,
    }
}

/// The name that a statement goes on with, quoted as it is there.
fn first_name(sql: &str) -> Option<&str> {
    if !sql.starts_with('"') {
        return sql.split([' ', ';']).next();
    }
    let mut quotes = sql.match_indices('"').skip(1).map(|(at, _)| at);
    loop {
        let at = quotes.next()?;
        if sql.get(at + 1..)?.starts_with('"') {
            quotes.next();
            continue;
        }
        return sql.get(..=at);
    }
}

/// Statements about the database `old` as statements about `new`: both are quoted as SQL has them.
fn renamed(sql: &str, old: &str, new: &str) -> String {
    let (old, new) = (format!("DATABASE {old}"), format!("DATABASE {new}"));
    let line = |line: &str| match VERBS.iter().any(|verb| line.starts_with(verb)) {
        true => line.replacen(&old, &new, 1),
        false => line.to_string(),
    };
    sql.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_databases_statements_get_its_new_name() {
        let sql = "ALTER DATABASE shop SET work_mem TO '8MB';\nALTER ROLE reader IN DATABASE shop SET a TO 'DATABASE shop';\n";
        assert_eq!(
            renamed(sql, "shop", "\"new\""),
            "ALTER DATABASE \"new\" SET work_mem TO '8MB';\nALTER ROLE reader IN DATABASE \"new\" SET a TO 'DATABASE shop';\n"
        );
        assert_eq!(first_name("shop WITH TEMPLATE"), Some("shop"));
        assert_eq!(first_name("\"a \"\"b\" WITH"), Some("\"a \"\"b\""));
    }
}
