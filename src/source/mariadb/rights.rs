//! What the user of a source may do, asked before anything is begun: `mariadb-dump` leaves triggers out in silence where
//! it may not see them.

use crate::error::{Error, Result};

use super::server::Server;

/// Rights to a database that a dump of it needs.
const FOR_DUMP: [&str; 4] = ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"];
/// Rights to the server that a copy of its files needs.
const FOR_FILES: [&str; 2] = ["RELOAD", "PROCESS"];

/// What `SHOW GRANTS` says.
pub struct Grants(Vec<Grant>);

struct Grant {
    rights: Vec<String>,
    /// `*`, or a pattern of database names.
    database: String,
    /// `*`, or a table.
    object: String,
}

impl Grants {
    /// The grants of who is logged in, with those of active roles.
    pub fn of(server: &Server) -> Result<Self> {
        let rows = server.ask("SHOW GRANTS")?;
        Ok(Self(rows.iter().filter_map(|row| grant(row.first()?)).collect()))
    }

    /// Whether there is a right to all of `database`.
    pub fn has(&self, right: &str, database: &str) -> bool {
        self.0.iter().filter(|grant| grant.object == "*").any(|grant| {
            (grant.database == "*" || matches(&grant.database, database))
                && grant.rights.iter().any(|given| given == right || given == "ALL PRIVILEGES")
        })
    }

    /// Whether there is a right to the whole server.
    pub fn has_globally(&self, right: &str) -> bool {
        let global = self.0.iter().filter(|grant| grant.database == "*" && grant.object == "*");
        global.into_iter().any(|grant| grant.rights.iter().any(|given| given == right || given == "ALL PRIVILEGES"))
    }

    /// That `database` can be dumped whole.
    pub fn allow_dump(&self, server: &Server, database: &str) -> Result<()> {
        let missing: Vec<&str> = FOR_DUMP.into_iter().filter(|right| !self.has(right, database)).collect();
        match missing.is_empty() {
            true => Ok(()),
            false => Err(Error::Refused(format!(
                "{}: the user lacks {} on {database}, so a dump would not be whole; GRANT SELECT, SHOW VIEW, TRIGGER, EVENT, \
                 LOCK TABLES ON `{database}`.* to it",
                server.shown(),
                missing.join(", "),
            ))),
        }
    }

    /// That the server's files can be copied.
    pub fn allow_files(&self, server: &Server) -> Result<()> {
        let mut missing: Vec<&str> = FOR_FILES.into_iter().filter(|right| !self.has_globally(right)).collect();
        if !["BINLOG MONITOR", "REPLICATION CLIENT", "SUPER"].into_iter().any(|right| self.has_globally(right)) {
            missing.push("BINLOG MONITOR");
        }
        match missing.is_empty() {
            true => Ok(()),
            false => Err(Error::Refused(format!(
                "{}: the user lacks {}; GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.* to it",
                server.shown(),
                missing.join(", ")
            ))),
        }
    }

    /// Whether procedures and functions that others have defined can be read.
    pub fn see_routines(&self, database: &str) -> bool {
        let of_table = self.0.iter().any(|grant| {
            grant.database == "mysql"
                && (grant.object == "*" || grant.object == "proc")
                && grant.rights.iter().any(|right| right == "SELECT" || right == "ALL PRIVILEGES")
        });
        of_table || self.has_globally("SELECT") || self.has("SHOW CREATE ROUTINE", database)
    }
}

/// A line of `SHOW GRANTS`; `None` where it grants a role or something to a routine.
fn grant(line: &str) -> Option<Grant> {
    let (rights, rest) = line.strip_prefix("GRANT ")?.split_once(" ON ")?;
    let (database, rest) = identifier(rest)?;
    let (object, _) = identifier(rest.strip_prefix('.')?)?;
    // Rights to columns have a list behind them: not to the whole.
    let rights = rights.split(", ").map(|right| right.trim().to_string()).collect();
    Some(Grant { rights, database, object })
}

/// `*`, or a name in backquotes; and what follows.
fn identifier(text: &str) -> Option<(String, &str)> {
    if let Some(rest) = text.strip_prefix('*') {
        return Some(("*".into(), rest));
    }
    let mut name = String::new();
    let mut rest = text.strip_prefix('`')?;
    loop {
        let at = rest.find('`')?;
        name.push_str(rest.get(..at)?);
        rest = rest.get(at + 1..)?;
        match rest.strip_prefix('`') {
            Some(after) => {
                name.push('`');
                rest = after;
            }
            None => return Some((name, rest)),
        }
    }
}

/// Whether a pattern of database names (`%`, `_`, and `\` before either) fits.
fn matches(pattern: &str, name: &str) -> bool {
    let mut chars = pattern.chars();
    let Some(first) = chars.next() else { return name.is_empty() };
    let rest = chars.as_str();
    let same = |expected: char, rest: &str| {
        name.chars().next().filter(|char| *char == expected).is_some_and(|char| matches(rest, behind(name, char)))
    };
    match first {
        '%' => name
            .char_indices()
            .map(|(at, _)| at)
            .chain([name.len()])
            .any(|at| name.get(at..).is_some_and(|tail| matches(rest, tail))),
        '_' => name.chars().next().is_some_and(|char| matches(rest, behind(name, char))),
        '\\' => match chars.next() {
            Some(escaped) => same(escaped, chars.as_str()),
            None => same('\\', ""),
        },
        other => same(other, rest),
    }
}

fn behind(name: &str, char: char) -> &str {
    name.get(char.len_utf8()..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(lines: &[&str]) -> Grants {
        Grants(lines.iter().filter_map(|line| grant(line)).collect())
    }

    #[test]
    fn rights_are_found_in_what_the_server_shows() {
        let user = grants(&[
            "GRANT RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR ON *.* TO `bk`@`localhost` IDENTIFIED BY PASSWORD '*CA'",
            r"GRANT SELECT, SHOW VIEW ON `shop\_%`.* TO `bk`@`localhost`",
            "GRANT ALL PRIVILEGES ON `we``ird`.* TO `bk`@`localhost`",
            "GRANT SELECT ON `mysql`.`proc` TO `bk`@`localhost`",
            "GRANT TRIGGER ON `shop_a`.`one` TO `bk`@`localhost`",
        ]);
        assert!(user.has_globally("RELOAD") && !user.has_globally("SELECT"));
        assert!(user.has("SELECT", "shop_a") && !user.has("SELECT", "shopxa") && !user.has("TRIGGER", "shop_a"));
        assert!(user.has("EVENT", "we`ird"));
        assert!(user.see_routines("shop_a"));
        let root = grants(&["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION"]);
        assert!(root.has("TRIGGER", "any") && root.has_globally("RELOAD"));
    }

    #[test]
    fn patterns_match_as_the_server_has_them() {
        assert!(matches("a_c", "abc") && matches("a%", "a") && matches("%", "") && matches("a%c%", "abcd"));
        assert!(!matches(r"a\_c", "abc") && matches(r"a\_c", "a_c") && !matches("a", "ab") && !matches("ab", "a"));
    }
}
