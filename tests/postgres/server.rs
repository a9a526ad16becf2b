//! A real server of its own for a test, and the program beside it. Stopped when it is dropped, also by a test that fails.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::geteuid;
use tempfile::TempDir;

use crate::program::{Done, Place};
use crate::skipped;

/// The superuser's password: no text of any other kind may hold it.
pub const PASSWORD: &str = "s3cret-0f-the-server";
const VERSIONS: &str = "/usr/lib/postgresql";

pub struct Postgres {
    folder: TempDir,
    pub port: u16,
    bin: PathBuf,
}

/// The folder of the newest server's programs.
fn newest() -> Option<PathBuf> {
    let majors = fs::read_dir(VERSIONS).ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let newest: u32 = majors.max()?;
    Some(Path::new(VERSIONS).join(newest.to_string()).join("bin")).filter(|bin| bin.join("postgres").exists())
}

/// A server, or `None` (and a line about it) where there is none to be had. With CI=true that is a failure.
pub fn server(test: &str) -> Option<Postgres> {
    server_with(test, &[])
}

/// As [`server`], with more arguments for initdb.
pub fn server_with(test: &str, initdb: &[&str]) -> Option<Postgres> {
    let Some(bin) = newest() else {
        skipped::missing(test, &format!("PostgreSQL in {VERSIONS}"));
        return None;
    };
    let server = Postgres { folder: open_folder(), port: free_port(), bin };
    let password = server.path("password");
    fs::write(&password, PASSWORD).unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o644)).unwrap();
    let data = server.data();
    let mut command = server.as_server("initdb");
    command.args(["-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync", "-D"]).arg(&data);
    command.args(["--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--pwfile"]).arg(&password).args(initdb);
    run(&mut command);
    fs::remove_file(&password).unwrap();
    server.configure("fsync = off\nmax_wal_size = 64MB\nlog_min_messages = fatal\n");
    server.start();
    Some(server)
}

/// A folder that everybody may enter and a server may own.
fn open_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("snaphold-pg-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    if let Some((uid, gid)) = server_user() {
        chown(folder.path(), Some(uid), Some(gid)).unwrap();
    }
    folder
}

fn server_user() -> Option<(u32, u32)> {
    if !geteuid().is_root() {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with("postgres:")).expect("a user postgres");
    let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
    Some((fields.next().unwrap(), fields.next().unwrap()))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

impl Postgres {
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    pub fn bin(&self, tool: &str) -> PathBuf {
        self.bin.join(tool)
    }

    /// Another port and folder for a second server of this test.
    pub fn other_port(&self) -> u16 {
        free_port()
    }

    /// A tool run as a server must be.
    fn as_server(&self, tool: &str) -> Command {
        let program = self.bin(tool);
        let mut command = match server_user() {
            Some((uid, gid)) => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups", "--"]);
                command.arg(program);
                command
            }
            None => Command::new(program),
        };
        command.env("LC_ALL", "C.UTF-8").current_dir("/").stdin(Stdio::null());
        command
    }

    pub fn configure(&self, settings: &str) {
        let file = self.data().join("postgresql.conf");
        let text = fs::read_to_string(&file).unwrap() + settings;
        fs::write(file, text).unwrap();
    }

    /// What starts (or stops) a server on a folder, as a shell's command.
    pub fn control(&self, data: &Path, port: u16, action: &str) -> String {
        let user = server_user().map(|(uid, gid)| format!("setpriv --reuid={uid} --regid={gid} --clear-groups -- "));
        let sockets = self.folder.path().display();
        let options = format!("-o \"-k {sockets} -p {port} -c listen_addresses=127.0.0.1\"");
        format!(
            "cd / && {}{} -s -w -t 120 -D {data} -l {data}.log {} {action}",
            user.unwrap_or_default(),
            self.bin("pg_ctl").display(),
            if action == "start" { options.as_str() } else { "-m fast" },
            data = data.display(),
        )
    }

    pub fn start(&self) {
        run(Command::new("/bin/sh").args(["-c", &self.control(&self.data(), self.port, "start")]));
    }

    /// The URL of a database, as the superuser.
    pub fn url(&self, database: &str, options: &str) -> String {
        self.url_at(self.port, database, options)
    }

    pub fn url_at(&self, port: u16, database: &str, options: &str) -> String {
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{port}/{database}{options}")
    }

    /// A client's tool, logged in.
    pub fn client(&self, tool: &str, port: u16) -> Command {
        let mut command = Command::new(self.bin(tool));
        command.env("PGHOST", "127.0.0.1").env("PGPORT", port.to_string()).env("PGUSER", "postgres");
        command.env("PGPASSWORD", PASSWORD).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        command
    }

    /// What SQL gives, a line a row.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        self.sql_at(self.port, database, sql)
    }

    pub fn sql_at(&self, port: u16, database: &str, sql: &str) -> String {
        let mut command = self.client("psql", port);
        let output = run(command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]));
        String::from_utf8(output.stdout).unwrap().trim_end().to_string()
    }

    /// A new database with pgbench's tables.
    pub fn make_bank(&self, database: &str, scale: u32) {
        self.sql("postgres", &format!("CREATE DATABASE {database}"));
        run(self.client("pgbench", self.port).args(["-i", "-q", "-s", &scale.to_string(), database]));
    }

    /// Transactions that move money, until it is dropped.
    pub fn load(&self, database: &str) -> Load {
        let mut command = self.client("pgbench", self.port);
        command.args(["-n", "-c", "2", "-T", "600", database]).stdout(Stdio::null()).stderr(Stdio::null());
        Load(command.spawn().unwrap())
    }

    /// Whether money was made or lost: what was paid in is what accounts, tellers and branches have.
    pub fn is_balanced(&self, port: u16, database: &str) -> bool {
        let sums = "SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
                           (SELECT sum(bbalance) FROM pgbench_branches), (SELECT coalesce(sum(delta), 0) FROM pgbench_history)";
        let row = self.sql_at(port, database, sums);
        let sums: Vec<&str> = row.split('|').collect();
        sums.len() == 4 && sums.iter().all(|sum| *sum == sums[0])
    }

    /// Names of databases that a restore has left.
    pub fn left_over(&self) -> String {
        self.sql("postgres", "SELECT datname FROM pg_database WHERE datname LIKE '%snaphold%'")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Every server of the test is on a folder in this one.
        for entry in fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            if entry.path().join("postmaster.pid").exists() {
                let mut command = self.as_server("pg_ctl");
                let _ = command.args(["-s", "-m", "immediate", "stop", "-D"]).arg(entry.path()).output();
            }
        }
    }
}

/// A load that runs.
pub struct Load(Child);

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program, with a repository, in a place that a server's user may enter.
pub fn place() -> Place {
    let place = Place::bare();
    for name in ["", "tmp"] {
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    place.run(["init"]).succeeds();
    place
}

/// Commands of the program, in short.
pub trait Commands {
    fn do_(&self, line: &str) -> Done;
    fn fails(&self, line: &str, code: i32, says: &[&str]);
    fn with_tools(&self, tools: &Path, line: &str) -> Done;
    fn completed(&self, instance: &str) -> usize;
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(|word| word.replace("%20", " ")).collect()
}

impl Commands for Place {
    /// Runs a line whose words have no spaces, and must succeed.
    fn do_(&self, line: &str) -> Done {
        self.run(words(line)).succeeds()
    }

    /// Runs a line that must fail with a code, in one line that says all of these.
    fn fails(&self, line: &str, code: i32, says: &[&str]) {
        let done = self.run(words(line));
        refused(line, &done, code, says);
    }

    fn with_tools(&self, tools: &Path, line: &str) -> Done {
        Done::of(self.command(words(line)).env("POSTGRES_BIN", tools).output().unwrap())
    }

    /// How many snapshots of an instance are complete.
    fn completed(&self, instance: &str) -> usize {
        let listed = self.json(["snapshot", "list", instance, "--json"]);
        listed["snapshots"].as_array().unwrap().iter().filter(|snapshot| snapshot["status"] == "completed").count()
    }
}

pub fn refused(line: &str, done: &Done, code: i32, says: &[&str]) {
    assert_eq!(done.code, code, "{line}: {}", done.stderr);
    let error = done.stderr.lines().last().unwrap_or_default();
    assert!(says.iter().all(|text| error.contains(text)), "{line}: {says:?} are not all in {error:?}");
    assert!(!done.stderr.contains(PASSWORD) && !done.stdout.contains(PASSWORD), "the password is shown: {done:?}");
}
