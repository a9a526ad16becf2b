//! Neo4j's HTTP endpoint, as far as a drill needs it: one statement, one answer.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Error, Result};

/// How long one statement may take.
const ANSWER_MAX: Duration = Duration::from_secs(600);
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read.
const ANSWER_LEN_MAX: u64 = 16 << 20;

/// Whether the server answers on `port` of this machine.
pub fn answers(port: u16) -> bool {
    ask(port, "GET / HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n", CONNECT_MAX)
        .is_ok_and(|answer| answer.contains("neo4j_version"))
}

/// Runs one Cypher statement in a database. The inner error is the server's own word about the statement.
pub fn run(port: u16, database: &str, statement: &str) -> Result<Result<Vec<Value>, String>> {
    let body = json!({ "statements": [{ "statement": statement }] }).to_string();
    // HTTP 1.0: the answer ends where the connection does, and comes in one piece.
    let request = format!(
        "POST /db/{database}/tx/commit HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer =
        ask(port, &request, ANSWER_MAX).map_err(|error| Error::Failed(format!("Neo4j does not answer: {error}")))?;
    let unknown = || Error::Failed("Neo4j's answer is not understood".into());
    let (_, body) = answer.split_once("\r\n\r\n").ok_or_else(unknown)?;
    let answer: Value = serde_json::from_str(body).map_err(|_| unknown())?;
    if let Some(error) = answer.pointer("/errors/0") {
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().replace('\n', " ");
        return Ok(Err(format!("{}: {}", text("code"), text("message"))));
    }
    let rows = answer.pointer("/results/0/data").and_then(Value::as_array).ok_or_else(unknown)?;
    Ok(Ok(rows.iter().filter_map(|row| row.get("row").cloned()).collect()))
}

fn ask(port: u16, request: &str, limit: Duration) -> std::io::Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, CONNECT_MAX)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(CONNECT_MAX))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.take(ANSWER_LEN_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}
