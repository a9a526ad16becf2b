//! A drill: the data set in a throw-away server.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::format::manifest::Origin;
use crate::ops::Progress;
use crate::source::access::Place;
use crate::source::kind::Check;
use crate::source::program::{Running, User};
use crate::source::stored::Stored;

use super::capture::FILE;
use super::rdb::{Counts, Entry, Fault, KeyType, TYPES, Visitor, shown_key};
use super::resp::{Address, Client, Endpoint, Reply, put_command};
use super::server::Info;
use super::stored::{count, visit, write_stored};

const PAUSE: Duration = Duration::from_millis(50);
/// Databases that a server gets at least.
const DATABASES: u64 = 16;

/// Holds a drill.
pub fn hold(stored: &Stored<'_>, query: Option<&str>, place: &Place, progress: &dyn Progress) -> Result<Vec<Check>> {
    let program = place.programs.find("redis-server", &[], "the package redis-server")?;
    let user = User::for_servers(&["redis"]);
    let folder = place.server_folder("drill", user)?;
    let file = folder.path().join(FILE);
    let written = write_stored(stored, &file, progress)?;
    if written.has_modules {
        return Err(Error::Refused(
            "the snapshot has values of a module, which a throw-away server has not loaded".into(),
        ));
    }
    if let Some(user) = user {
        chown(&file, Some(user.uid), Some(user.gid)).map_err(|error| Error::target(&file, error))?;
    }
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700))
        .map_err(|error| Error::target(folder.path(), error))?;
    progress.stage("starting a server", None);
    let databases = written.counts.keys().last().map_or(0, |db| db + 1).max(DATABASES);
    let mut server = Throwaway::start(&program, user.as_ref(), folder.path(), databases, place)?;
    progress.stage("checking", None);
    let began_ms = now_ms(place);
    let mut client = match server.wait()? {
        Ok(client) => client,
        Err(said) => return Ok(vec![Check::failed("load", said)]),
    };
    let mut checks = vec![Check::passed("load", format!("{} bytes, checked and loaded", written.bytes))];
    let found = seen(&mut client)?;
    let ended_ms = now_ms(place);
    let sure = Expected::of(stored, ended_ms, began_ms)?;
    checks.push(compared(&sure, &found));
    checks.push(as_recorded(stored, &count(stored)?));
    if let Some(query) = query {
        checks.push(answer(&mut client, query)?);
    }
    server.end();
    Ok(checks)
}

fn now_ms(place: &Place) -> u64 {
    u64::try_from(place.surroundings.clock.now().as_millisecond()).unwrap_or_default()
}

struct Throwaway {
    running: Option<Running>,
    endpoint: Endpoint,
}

impl Throwaway {
    fn start(program: &Path, user: Option<&User>, folder: &Path, databases: u64, place: &Place) -> Result<Self> {
        let socket: PathBuf = folder.join("s");
        let mut command = place.programs.command_as(program, user)?;
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--daemonize", "no", "--dbfilename", FILE]);
        command.arg("--databases").arg(databases.to_string());
        command.arg("--unixsocket").arg(&socket).arg("--dir").arg(folder);
        // What it says stands in its output, and is read when it fails.
        command.arg("--logfile").arg(folder.join("log"));
        let mut running = place.programs.start(command, "redis-server", None)?;
        running.owns(folder);
        drop(running.stdout());
        let shown = "the throw-away server".to_string();
        let endpoint = Endpoint { address: Address::Unix(socket), user: None, password: None, shown };
        Ok(Self { running: Some(running), endpoint })
    }

    /// Waits until it has loaded; what it said where it ended instead.
    fn wait(&mut self) -> Result<Result<Client, String>> {
        loop {
            if let Some(status) = self.running.as_mut().and_then(Running::ended) {
                let said = self.running.take().map(Running::stop).unwrap_or_default();
                let log = match &self.endpoint.address {
                    Address::Unix(socket) => fs::read_to_string(socket.with_file_name("log")).unwrap_or_default(),
                    Address::Tcp(..) => String::new(),
                };
                let last = log.lines().chain(said.lines()).rfind(|line| line.contains(" # ")).unwrap_or_default();
                return Ok(Err(format!("redis-server ended ({status}): {}", last.trim())));
            }
            if let Ok(mut client) = Client::connect(&self.endpoint)
                && matches!(client.ask(&[b"PING"]), Ok(Reply::Simple(_)))
                && Info::of(&mut client).is_ok_and(|info| info.get("loading") == "0")
            {
                return Ok(Ok(client));
            }
            sleep(PAUSE);
        }
    }

    fn end(mut self) {
        drop(self.running.take().map(Running::stop));
    }
}

/// Keys of each database and type.
type Found = BTreeMap<(u64, KeyType), u64>;

/// Goes through all keys of the server.
fn seen(client: &mut Client) -> Result<Found> {
    let mut found = Found::new();
    for db in Info::of(client)?.keys().into_keys() {
        client.call(&[b"SELECT", db.to_string().as_bytes()])?;
        let mut cursor = b"0".to_vec();
        loop {
            let mut parts = client.call(&[b"SCAN", &cursor, b"COUNT", b"1000"])?.parts().into_iter();
            let (next, keys) = (parts.next(), parts.next().map(Reply::parts).unwrap_or_default());
            let mut bytes = Vec::new();
            for key in &keys {
                if let Reply::Bulk(key) = key {
                    put_command(&mut bytes, &[b"TYPE", key]);
                }
            }
            client.send_bytes(&bytes)?;
            for _ in &keys {
                let word = client.answer()?.to_text();
                // One that has expired in between has none.
                if let Some(kind) = TYPES.into_iter().find(|kind| kind.as_str() == word) {
                    *found.entry((db, kind)).or_default() += 1;
                }
            }
            match next {
                Some(Reply::Bulk(next)) if next != b"0" => cursor = next,
                _ => break,
            }
        }
    }
    Ok(found)
}

/// How many keys there must be: those that have not expired when all was counted, and at most those that had not when it
/// began.
#[derive(Default)]
struct Expected {
    ended_ms: u64,
    began_ms: u64,
    least: Found,
    most: Found,
}

impl Expected {
    fn of(stored: &Stored<'_>, ended_ms: u64, began_ms: u64) -> Result<Self> {
        let mut expected = Self { ended_ms, began_ms, ..Self::default() };
        visit(stored, &mut expected)?;
        Ok(expected)
    }
}

impl Visitor for Expected {
    fn key(&mut self, entry: &Entry<'_>) -> Result<(), Fault> {
        let place = (entry.db, entry.kind);
        if entry.expires_ms.is_none_or(|expires| expires > self.ended_ms) {
            *self.least.entry(place).or_default() += 1;
        }
        if entry.expires_ms.is_none_or(|expires| expires >= self.began_ms) {
            *self.most.entry(place).or_default() += 1;
        }
        Ok(())
    }
}

fn compared(expected: &Expected, found: &Found) -> Check {
    let of = |counts: &Found, place: &(u64, KeyType)| counts.get(place).copied().unwrap_or_default();
    let places: std::collections::BTreeSet<_> = expected.most.keys().chain(found.keys()).copied().collect();
    for place in &places {
        let (least, most, found) = (of(&expected.least, place), of(&expected.most, place), of(found, place));
        if found < least || found > most {
            let (db, kind) = (place.0, place.1.as_str());
            return Check::failed(
                "counts",
                format!("database {db} has {found} keys of type {kind} instead of {least}"),
            );
        }
    }
    let line = |(place, count): (&(u64, KeyType), &u64)| format!("database {}: {count} {}", place.0, place.1.as_str());
    let lines: Vec<String> = found.iter().map(line).collect();
    Check::passed("counts", if lines.is_empty() { "no keys".to_string() } else { lines.join(", ") })
}

/// What the snapshot says of itself, beside what it holds.
fn as_recorded(stored: &Stored<'_>, counts: &BTreeMap<u64, Counts>) -> Check {
    let Origin::Database(origin) = stored.origin() else {
        return Check::failed("recorded", "the snapshot does not say what it holds");
    };
    let is_db = |name: &str| name.strip_prefix("db").is_some_and(|rest| rest.parse::<u64>().is_ok());
    let recorded: BTreeMap<&str, &str> = origin
        .facts
        .iter()
        .filter(|(name, _)| is_db(name))
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let held: BTreeMap<String, String> =
        counts.iter().map(|(db, counts)| (format!("db{db}"), counts.to_line())).collect();
    let is_same = recorded.len() == held.len()
        && held.iter().all(|(name, value)| recorded.get(name.as_str()) == Some(&value.as_str()));
    match is_same {
        true => Check::passed("recorded", "the counts that were kept when it was taken are right"),
        false => Check::failed("recorded", "it holds other counts than were kept when it was taken"),
    }
}

/// Runs the user's command. It may begin with `-n NUMBER`, the database.
fn answer(client: &mut Client, query: &str) -> Result<Check> {
    let wrong = || Error::Usage("a query is a command of Redis: GET x; quotes must be closed".into());
    let mut words = words(query).ok_or_else(wrong)?;
    let mut db = b"0".to_vec();
    if words.first().is_some_and(|word| word == b"-n") && words.len() > 2 {
        db = words.get(1).cloned().unwrap_or_default();
        words.drain(..2);
    }
    if words.is_empty() {
        return Err(wrong());
    }
    client.call(&[b"SELECT", &db])?;
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    Ok(match client.ask(&words)? {
        Reply::Error(text) => Check::failed("query", text),
        Reply::Nil => Check::failed("query", "it gave nothing"),
        reply => Check::passed("query", shown_key(reply.to_text().as_bytes())),
    })
}

/// Splits a command at its spaces; `"…"` and `'…'` keep theirs.
fn words(text: &str) -> Option<Vec<Vec<u8>>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    let mut quote = None;
    for byte in text.bytes() {
        match (byte, quote) {
            (_, Some(mark)) if byte == mark => quote = None,
            (_, Some(_)) => open.get_or_insert_default().push(byte),
            (b'"' | b'\'', None) => {
                quote = Some(byte);
                open.get_or_insert_default();
            }
            (b' ', None) => words.extend(open.take()),
            (_, None) => open.get_or_insert_default().push(byte),
        }
    }
    words.extend(open);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_split_at_spaces() {
        let split = |text| {
            words(text).map(|words| words.into_iter().map(|w| String::from_utf8(w).unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(split("GET  x").unwrap(), ["GET", "x"]);
        assert_eq!(split("GET 'a b' \"\" c\"d\"").unwrap(), ["GET", "a b", "", "cd"]);
        assert_eq!(split("GET 'a"), None);
    }
}
