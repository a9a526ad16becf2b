//! The database's own checks, on a server that has what was restored.

use crate::error::Result;
use crate::format::tree::Node;
use crate::source::kind::Check;
use crate::source::stored::Stored;

use super::server::{Server, check_tool, literal, quoted};

/// Plain bytes of a stored component.
pub fn total_of(stored: &Stored<'_>) -> u64 {
    match &stored.component.root.node {
        Node::Directory { summary, .. } => summary.bytes,
        _ => 0,
    }
}

/// Runs `mariadb-check` over databases.
pub fn check_tables(server: &Server, databases: &[String], extended: bool) -> Result<Check> {
    const NAME: &str = "mariadb-check";
    let mut command = server.command(&check_tool(&server.programs)?);
    command.args(["--check", if extended { "--extended" } else { "--quick" }, "--databases", "--"]).args(databases);
    let said = match server.programs.run(command, NAME, server.password()) {
        Ok(said) => String::from_utf8_lossy(&said).into_owned(),
        Err(error) => return Ok(Check::failed(NAME, server.explained(error))),
    };
    Ok(judged(NAME, &said, extended))
}

/// What `mariadb-check` printed: a line a table, `name   OK`, or its name alone and what is wrong behind it.
fn judged(name: &str, said: &str, extended: bool) -> Check {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let good = lines.iter().filter(|line| line.ends_with(" OK")).count();
    let bad: Vec<&str> = lines
        .iter()
        .copied()
        .filter(|line| {
            ["error", "warning", "corrupt", "Corrupt"]
                .iter()
                .any(|word| line.to_lowercase().starts_with(&word.to_lowercase()))
        })
        .collect();
    let how = if extended { "extended" } else { "quick" };
    match bad.as_slice() {
        [] => Check::passed(name, format!("{good} tables OK ({how})")),
        bad => Check::failed(name, bad.join("; ")),
    }
}

/// The databases of a server that are a user's.
pub fn user_databases(server: &Server) -> Result<Vec<String>> {
    let rows = server.ask(
        "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA \
         WHERE SCHEMA_NAME NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys') ORDER BY SCHEMA_NAME",
    )?;
    Ok(rows.into_iter().flatten().collect())
}

/// Rows of each table of a database.
pub fn count_rows(server: &Server, database: &str) -> Result<Vec<(String, u64)>> {
    let tables: Vec<String> = server
        .ask(&format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} \
             AND TABLE_TYPE NOT LIKE '%VIEW%' AND TABLE_TYPE <> 'SEQUENCE' ORDER BY TABLE_NAME",
            literal(database)
        ))?
        .into_iter()
        .flatten()
        .collect();
    let one = |table: &String| format!("SELECT COUNT(*) FROM {}.{};\n", quoted(database), quoted(table));
    let counts = server.ask(&tables.iter().map(one).collect::<String>())?;
    let counts = counts.into_iter().flatten().filter_map(|text| text.parse().ok());
    Ok(tables.into_iter().zip(counts).collect())
}

/// Runs a user's query on a restored copy, and shows its first row.
pub fn answer(server: &Server, database: &str, query: &str) -> Check {
    const NAME: &str = "query";
    let used = if database.is_empty() { String::new() } else { format!("USE {};\n", quoted(database)) };
    match server.ask(&format!("{used}{query};\n")) {
        Ok(rows) => match rows.first() {
            Some(row) => Check::passed(NAME, row.join("|")),
            None => Check::failed(NAME, "it gave no rows"),
        },
        Err(error) => Check::failed(NAME, error),
    }
}
