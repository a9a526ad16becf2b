//! A page of an account's snapshots, asked for by many clients at once: how long it takes, and how much memory the
//! service has.
//!
//! `make bench-service`. docs/BENCHMARKS.md has what it gave.

#[path = "common/surroundings.rs"]
mod surroundings;

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use snaphold::server::catalog::Catalog;
use snaphold::service::SnapshotView;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

const TOKEN: &str = "the-token-of-the-bench";
const SNAPSHOTS: i64 = 100_000;
const CLIENTS: usize = 200;
const PAGE: usize = 50;
const LASTS: Duration = Duration::from_secs(8);
const ROUNDS: usize = 5;

/// A service of its own, killed when it is dropped.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(folder: &Path) -> Self {
        let config = folder.join("config.toml");
        // Nobody else is there, and nobody asks too often.
        let text = "[limits]\nrequests_per_second = 1000000\nburst = 1000000\n[scheduler]\nenabled = false\n[backup]\nevery = \"0\"\n";
        fs::write(&config, text).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_snaphold"))
            .args(["serve", "--listen", "127.0.0.1:0", "--json", "--data"])
            .arg(folder.join("data"))
            .arg("--config")
            .arg(config)
            .env("SNAPHOLD_ADMIN_TOKEN", TOKEN)
            .stderr(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let address = said["listening"].as_str().unwrap().trim_start_matches("http://").to_string();
        Self { child, address }
    }

    /// The most memory that it had, MiB.
    fn peak_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Enters snapshots of ten instances into the catalog, one every ten minutes.
async fn fill(folder: &Path) {
    let url = format!("sqlite://{}", folder.join("data/catalog.sqlite").display());
    let catalog = Catalog::open(&url, surroundings::real()).await.unwrap();
    let account = catalog.account_named("default").await.unwrap().unwrap().id;
    let now = Timestamp::now();
    for number in 0..SNAPSHOTS {
        let at = now.checked_sub(SignedDuration::from_mins(10 * number)).unwrap();
        let view = json!({
            "id": format!("{:016x}", number.wrapping_mul(0x1234_5678_9abc_def1)), "instance": format!("db-{}", number % 10),
            "type": "scheduled", "status": "completed", "created_at": at, "finished_at": at, "expires_at": at,
            "description": null, "hold_until": null, "deleted_at": null, "purge_after": null, "files": 1_000, "directories": 40,
            "bytes_total": 4_000_000_000_u64, "bytes_read": 90_000_000, "bytes_new": 40_000_000, "bytes_stored": 9_000_000,
            "chunks_new": 700, "chunks_delta": 500, "unreadable": 0, "origin": "postgres", "parent": "00000000000000aa",
        });
        let view: SnapshotView = serde_json::from_value(view).unwrap();
        catalog.put_snapshot(&account, &view).await.unwrap();
    }
    catalog.close().await;
}

/// Asks again and again over one connection until the time is over; returns how long each answer took.
async fn client(address: String, until: Instant) -> io::Result<Vec<Duration>> {
    let request =
        format!("GET /v1/snapshots?limit={PAGE} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    let mut stream = tokio::io::BufReader::with_capacity(64 << 10, TcpStream::connect(&address).await?);
    let (mut took, mut body) = (Vec::new(), Vec::new());
    while Instant::now() < until {
        let began = Instant::now();
        stream.get_mut().write_all(request.as_bytes()).await?;
        let (mut line, mut length) = (String::new(), 0);
        stream.read_line(&mut line).await?;
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).await?;
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        body.resize(length, 0);
        stream.read_exact(&mut body).await?;
        assert!(length > 100 * PAGE, "a page has all its snapshots");
        took.push(began.elapsed());
    }
    Ok(took)
}

async fn round(address: &str) -> Vec<Duration> {
    let until = Instant::now() + LASTS;
    let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(client(address.to_string(), until))).collect();
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await.unwrap().unwrap());
    }
    took.sort_unstable();
    took
}

fn main() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| TempDir::new()).unwrap();
    drop(Served::start(folder.path()));
    let runtime = Runtime::new().unwrap();
    runtime.block_on(fill(folder.path()));
    let served = Served::start(folder.path());
    println!("pages of {PAGE} of {SNAPSHOTS} snapshots, {CLIENTS} clients at once, {LASTS:?} a round");
    println!("round  a second  median ms  99th of 100 ms");
    for number in 1..=ROUNDS {
        let took = runtime.block_on(round(&served.address));
        let at = |part: usize| took[(took.len() * part / 100).min(took.len() - 1)].as_secs_f64() * 1000.0;
        let rate = took.len() as f64 / LASTS.as_secs_f64();
        println!("{number:>5} {rate:>9.0} {:>10.1} {:>15.1}", at(50), at(99));
    }
    println!("the service had {} MiB at most", served.peak_mib());
}
