//! Real Neo4j homes and servers, out of the Java package registry.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::skipped;

pub const CURRENT: &str = "5.26.30";
pub const OLD: &str = "4.4.44";

/// The folder of a version's jars; `None`, said once and by name, where they cannot be had.
pub fn jars(version: &str) -> Option<PathBuf> {
    static CURRENT_JARS: OnceLock<Option<PathBuf>> = OnceLock::new();
    static OLD_JARS: OnceLock<Option<PathBuf>> = OnceLock::new();
    let cell = if version == CURRENT { &CURRENT_JARS } else { &OLD_JARS };
    cell.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/neo4j");
        let output = Command::new(script).arg(version).stderr(Stdio::piped()).output().unwrap();
        let java = Command::new("java").arg("-version").output().is_ok_and(|output| output.status.success());
        if output.status.success() && java {
            return Some(PathBuf::from(String::from_utf8(output.stdout).unwrap().trim()));
        }
        skipped::missing("neo4j_live", &format!("Neo4j {version}: {}", String::from_utf8_lossy(&output.stderr)));
        None
    })
    .clone()
}

/// A home with its own data, configuration and port.
pub struct Home {
    pub path: PathBuf,
    pub http: u16,
    version: String,
}

impl Home {
    /// Makes a home at `path` whose server has the one database `database`.
    pub fn make(path: &Path, version: &str, database: &str) -> Option<Self> {
        let lib = jars(version)?;
        let (http, bolt) = (free_port(), free_port());
        for folder in ["conf", "data", "logs", "run", "import"] {
            fs::create_dir_all(path.join(folder)).unwrap();
        }
        std::os::unix::fs::symlink(lib, path.join("lib")).unwrap();
        let names: [&str; 3] = match version == OLD {
            true => ["dbms.default_database", "dbms.connector.http", "dbms.connector.bolt"],
            false => ["initial.dbms.default_database", "server.http", "server.bolt"],
        };
        let more = match version == OLD {
            true => "dbms.allow_upgrade=true\ndbms.tx_log.preallocate=false\n",
            false => "dbms.usage_report.enabled=false\ndb.tx_log.preallocate=false\n",
        };
        let conf = format!(
            "{}={database}\n{}.enabled=true\n{1}.listen_address=127.0.0.1:{http}\n{}.enabled=true\n\
             {2}.listen_address=127.0.0.1:{bolt}\ndbms.security.auth_enabled=false\n{more}",
            names[0], names[1], names[2]
        );
        fs::write(path.join("conf/neo4j.conf"), conf).unwrap();
        Some(Self { path: path.to_path_buf(), http, version: version.to_string() })
    }

    /// Makes logs of 256 MiB beforehand, as servers do where nobody says otherwise.
    pub fn preallocates(&self) {
        let conf = self.path.join("conf/neo4j.conf");
        let text = fs::read_to_string(&conf).unwrap();
        fs::write(&conf, text.replace("preallocate=false", "preallocate=true")).unwrap();
    }

    pub fn text(&self) -> String {
        self.path.to_str().unwrap().to_string()
    }

    pub fn source(&self, database: &str) -> String {
        format!("neo4j:{}#{database}", self.text())
    }

    fn java(&self, main: &str) -> Vec<String> {
        let mut words: Vec<String> =
            ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"].map(Into::into).into();
        words.extend(["lang", "nio", "io"].map(|package| format!("--add-opens=java.base/java.{package}=ALL-UNNAMED")));
        words.push("--add-opens=java.base/sun.nio.ch=ALL-UNNAMED".into());
        words.extend(["-cp".into(), format!("{}/lib/*", self.text()), main.into()]);
        words
    }

    fn command(&self, main: &str) -> Command {
        let words = self.java(main);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir(&self.path);
        command.env("NEO4J_HOME", &self.path).env("NEO4J_CONF", self.path.join("conf"));
        command
    }

    /// Neo4j's own tool.
    pub fn admin(&self, arguments: &[&str]) -> Output {
        self.command("org.neo4j.cli.AdminTool").args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// `neo4j-admin database load` of a dump, as `database`.
    pub fn load(&self, database: &str, dump: &Path) {
        let output = match self.version == OLD {
            true => {
                let (database, from) = (format!("--database={database}"), format!("--from={}", dump.display()));
                self.admin(&["load", &database, "--force", &from])
            }
            false => self
                .command("org.neo4j.cli.AdminTool")
                .args(["database", "load", database, "--from-stdin", "--overwrite-destination=true"])
                .stdin(fs::File::open(dump).unwrap())
                .output()
                .unwrap(),
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn start(&self) -> Server {
        let log = fs::File::create(self.path.join("logs/console")).unwrap();
        let child = self
            .command("org.neo4j.server.CommunityEntryPoint")
            .arg(format!("--home-dir={}", self.text()))
            .arg(format!("--config-dir={}/conf", self.text()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut server = Server { child, http: self.http };
        let began = Instant::now();
        while !is_up(self.http) {
            let ended = server.child.try_wait().unwrap();
            let log = || fs::read_to_string(self.path.join("logs/console")).unwrap();
            assert!(ended.is_none() && began.elapsed() < Duration::from_secs(120), "Neo4j does not start:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// Commands as a user gives them to Snaphold, which leave the server running behind them; and who ends it at last.
    pub fn commands(&self) -> (String, String, Stopper) {
        let pid = self.path.join("run/started.pid");
        let words = self.java("org.neo4j.server.CommunityEntryPoint").join("' '");
        let (home, pid_file) = (self.text(), pid.display());
        let start = format!(
            "cd '{home}' && {{ '{words}' '--home-dir={home}' '--config-dir={home}/conf' & echo $! > '{pid_file}'; }}"
        );
        let stop = format!("kill $(cat '{pid_file}')");
        (stop, start, Stopper(pid))
    }

    pub fn wait(&self) {
        let began = Instant::now();
        while !is_up(self.http) {
            assert!(began.elapsed() < Duration::from_secs(120), "Neo4j is not there");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn run(&self, statement: &str) -> Value {
        run(self.http, statement, &self.database())
    }

    fn database(&self) -> String {
        let conf = fs::read_to_string(self.path.join("conf/neo4j.conf")).unwrap();
        conf.lines().next().unwrap().split_once('=').unwrap().1.to_string()
    }

    /// Nodes and relationships, as a server of the home counts them, which is started for that.
    pub fn counts(&self) -> (u64, u64) {
        let _server = self.start();
        self.counts_now()
    }

    pub fn counts_now(&self) -> (u64, u64) {
        let number = |value: Value| value[0][0].as_u64().unwrap_or_else(|| panic!("{value}"));
        (number(self.run("MATCH (n) RETURN count(n)")), number(self.run("MATCH ()-[r]->() RETURN count(r)")))
    }
}

/// Ends the server that a start command left running.
pub struct Stopper(PathBuf);

impl Stopper {
    pub fn pid(&self) -> Option<u32> {
        fs::read_to_string(&self.0).ok()?.trim().parse().ok()
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        let Some(pid) = self.pid() else { return };
        // Only what is still the server that was started.
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains("CommunityEntryPoint") {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
    }
}

/// A server that runs. It is ended as its user would end it.
pub struct Server {
    child: Child,
    http: u16,
}

impl Server {
    /// Ends it without letting it close anything.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            let _ = Command::new("kill").arg(self.child.id().to_string()).status();
            let _ = self.child.wait();
        }
        let _ = self.http;
    }
}

fn is_up(http: u16) -> bool {
    ask(http, "GET / HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n")
        .is_some_and(|answer| answer.contains("neo4j_version"))
}

fn run(http: u16, statement: &str, database: &str) -> Value {
    let body = json!({ "statements": [{ "statement": statement }] }).to_string();
    let request = format!(
        "POST /db/{database}/tx/commit HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(http, &request).expect("Neo4j answers");
    let answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(answer["errors"], json!([]), "{statement}");
    answer["results"][0]["data"].as_array().unwrap().iter().map(|row| row["row"].clone()).collect()
}

fn ask(http: u16, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", http)).ok()?;
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
