//! A MariaDB server for a test, and what is asked of it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::program::Place;
use crate::skipped;

/// Whether there is a server here. Where `CI` is `true` there must be one.
pub fn is_here(test: &str) -> bool {
    let tools = ["mariadbd", "mariadb-install-db", "mariadb", "mariadb-dump", "mariadb-backup", "mariadb-check"];
    let missing = tools
        .into_iter()
        .find(|tool| !["/usr/sbin", "/usr/bin"].iter().any(|folder| Path::new(folder).join(tool).exists()));
    if let Some(tool) = missing {
        skipped::missing(test, tool);
    }
    missing.is_none()
}

/// A place whose temporary folder a throw-away server's user can enter.
pub fn place() -> Place {
    let place = Place::bare();
    for folder in ["", "tmp"] {
        fs::set_permissions(place.path(folder), fs::Permissions::from_mode(0o755)).unwrap();
    }
    place.run(["init", "--encryption", "none"]).succeeds();
    place
}

/// A server, stopped when it is dropped.
pub struct Server {
    pub data: PathBuf,
    pub socket: PathBuf,
    pub port: u16,
    child: Option<Child>,
}

fn as_root() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("--user=root")
}

impl Server {
    /// A new server with its data in `folder`, which is made.
    pub fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let data = folder.join("data");
        // A server that begins removes what others have in a temporary folder that they share.
        fs::create_dir(folder.join("temporary")).unwrap();
        let made = Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--skip-test-db",
                "--skip-name-resolve",
                "--auth-root-authentication-method=normal",
            ])
            .args(["--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=16M"])
            .args(as_root())
            .arg(format!("--datadir={}", data.display()))
            .env("TMPDIR", folder.join("temporary"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { data, socket: folder.join("socket"), port, child: None };
        server.start();
        server
    }

    /// The words that start it, on its data.
    fn words(data: &Path, socket: &Path, port: u16) -> Vec<String> {
        let mut words: Vec<String> = [
            "mariadbd",
            "--no-defaults",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--skip-log-bin",
            "--performance-schema=OFF",
            "--innodb-buffer-pool-size=128M",
            "--innodb-log-file-size=32M",
            "--innodb-flush-log-at-trx-commit=2",
            "--event-scheduler=ON",
        ]
        .map(String::from)
        .to_vec();
        words.extend(as_root().map(String::from));
        words.push(format!("--datadir={}", data.display()));
        words.push(format!("--socket={}", socket.display()));
        let temporary = data.with_file_name("temporary");
        if temporary.exists() {
            words.push(format!("--tmpdir={}", temporary.display()));
        }
        words.push(format!("--pid-file={}.pid", socket.display()));
        words.push(format!("--port={port}"));
        words
    }

    fn start(&mut self) {
        let words = Self::words(&self.data, &self.socket, self.port);
        let log = fs::File::create(self.data.with_extension("log")).unwrap();
        let child = Command::new("/usr/bin/env")
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .env("PATH", "/usr/sbin:/usr/bin:/bin")
            .spawn()
            .unwrap();
        self.child = Some(child);
        wait_for(&self.socket);
    }

    /// Shell commands that stop and start it, as an instance has them.
    pub fn stop_and_start(data: &Path, socket: &Path, port: u16) -> (String, String) {
        let stop = format!("mariadb-admin --no-defaults -uroot --socket={} shutdown", socket.display());
        let words: Vec<String> = Self::words(data, socket, port).iter().map(|word| format!("'{word}'")).collect();
        let start = format!("PATH=/usr/sbin:$PATH; export PATH; {} >/dev/null 2>&1 </dev/null &", words.join(" "));
        (stop, start)
    }

    /// The URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("mariadb://root@localhost/{database}?socket={}", self.socket.display())
    }

    /// What the client prints of `sql`, as root.
    pub fn ask(&self, sql: &str) -> String {
        ask_at(&self.socket, sql)
    }

    /// What the real client dumps of a database, or of tables of it.
    pub fn dump(&self, database: &str) -> String {
        let output = Command::new("mariadb-dump")
            .args(["--no-defaults", "-uroot", "--single-transaction", "--skip-dump-date", "--order-by-primary"])
            .args(["--routines", "--events", "--triggers", "--hex-blob", "--skip-comments", "--skip-add-locks"])
            .arg(format!("--socket={}", self.socket.display()))
            .arg(database)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Databases that a restore has left.
    pub fn left_over(&self) -> String {
        self.ask("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE '%snaphold%'")
            + &self.ask("SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_NAME LIKE 'snaphold%'")
    }
}

/// What the client prints of `sql` at a socket.
pub fn ask_at(socket: &Path, sql: &str) -> String {
    let mut child = Command::new("mariadb")
        .args(["--no-defaults", "-uroot", "--batch", "--skip-column-names", "--default-character-set=utf8mb4"])
        .arg(format!("--socket={}", socket.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{sql}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn wait_for(socket: &Path) {
    let ready = Command::new("mariadb-admin")
        .args(["--no-defaults", "-uroot", "--wait=60", "--connect-timeout=60", "ping"])
        .arg(format!("--socket={}", socket.display()))
        .output()
        .unwrap();
    assert!(ready.status.success(), "{ready:?}");
}

/// Ends whatever serves a socket.
pub fn shut_down(socket: &Path) {
    let _ = Command::new("mariadb-admin")
        .args(["--no-defaults", "-uroot", "shutdown"])
        .arg(format!("--socket={}", socket.display()))
        .output();
}

impl Drop for Server {
    fn drop(&mut self) {
        // Also one that a restore has started in its place.
        shut_down(&self.socket);
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Accounts whose balances always sum up to the same, and what moves money between them.
pub const BANK: &str = "CREATE DATABASE bank CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; USE bank;
CREATE TABLE accounts (id INT PRIMARY KEY, balance BIGINT NOT NULL, note VARCHAR(80) NOT NULL) ENGINE=InnoDB;
INSERT INTO accounts SELECT seq, 1000, MD5(seq) FROM seq_1_to_2000;
CREATE TABLE transfers (id BIGINT AUTO_INCREMENT PRIMARY KEY, giver INT NOT NULL, taker INT NOT NULL, amount INT NOT NULL,
  FOREIGN KEY (giver) REFERENCES accounts (id), CONSTRAINT takes FOREIGN KEY (taker) REFERENCES accounts (id));
DELIMITER //
CREATE PROCEDURE work(rounds INT)
BEGIN
  DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END;
  WHILE rounds > 0 DO
    SET @a = 1 + FLOOR(RAND() * 2000), @b = 1 + FLOOR(RAND() * 2000), @m = 1 + FLOOR(RAND() * 100);
    START TRANSACTION;
    UPDATE accounts SET balance = balance - @m WHERE id = @a;
    UPDATE accounts SET balance = balance + @m WHERE id = @b;
    INSERT INTO transfers (giver, taker, amount) VALUES (@a, @b, @m);
    COMMIT;
    SET rounds = rounds - 1;
  END WHILE;
END //
DELIMITER ;
";

/// What must hold of every state of the bank: the sum, and that each account's balance is what its transfers made it.
pub const INVARIANT: &str = "SELECT SUM(balance), (SELECT COUNT(*) FROM bank.accounts a WHERE balance <> 1000
  - (SELECT COALESCE(SUM(amount), 0) FROM bank.transfers WHERE giver = a.id)
  + (SELECT COALESCE(SUM(amount), 0) FROM bank.transfers WHERE taker = a.id)) FROM bank.accounts";

/// What [`INVARIANT`] gives.
pub const HOLDS: &str = "2000000\t0\n";

/// Somebody who works in the bank until this is dropped. Restores pull tables away from under him: then he tries again.
pub struct Load {
    children: Vec<Child>,
}

impl Load {
    pub fn new(socket: &Path, sessions: usize) -> Self {
        let script = format!(
            "while :; do echo 'CALL bank.work(200);'; done | mariadb --no-defaults -uroot --force --socket={} >/dev/null 2>&1",
            socket.display()
        );
        let start = |_| Command::new("/bin/sh").args(["-c", &script]).process_group(0).spawn().unwrap();
        Self { children: (0..sessions).map(start).collect() }
    }
}

use std::os::unix::process::CommandExt;

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.children {
            let group = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = child.wait();
        }
    }
}

/// A database with one of everything, and names that are hard to write.
pub const SHOP: &str = "CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci; USE shop;
CREATE SEQUENCE numbers START WITH 5;
CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR(40), KEY (name)) ENGINE=InnoDB;
INSERT INTO customers SELECT seq, CONCAT('n', seq) FROM seq_1_to_500;
CREATE TABLE orders (id INT PRIMARY KEY DEFAULT NEXTVAL(numbers), customer INT, amount DECIMAL(10,2),
  CONSTRAINT buys FOREIGN KEY (customer) REFERENCES customers (id), FOREIGN KEY (id) REFERENCES customers (id));
INSERT INTO orders (customer, amount) SELECT seq, seq / 4 FROM seq_1_to_300;
CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, what TEXT) ENGINE=Aria;
INSERT INTO log (what) VALUES ('a\\'b`c\\\\;\\n-- Table structure for table `x`');
CREATE TABLE parts (id INT NOT NULL, PRIMARY KEY (id)) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE);
INSERT INTO parts VALUES (1), (100);
CREATE TABLE `we``ird na.me/ü` (id INT, b BLOB, v INT AS (id + 1) VIRTUAL, g POINT, j JSON);
INSERT INTO `we``ird na.me/ü` (id, b, g, j) VALUES (1, X'0001FF0A0D', POINT(1, 2), '{\"a\": \"ü😀\"}');
CREATE TABLE `a_name_that_is_as_long_as_names_can_be_which_is_sixty_four_chars` (a INT);
CREATE VIEW rich AS SELECT name, SUM(amount) AS total FROM customers JOIN orders ON customer = customers.id GROUP BY name;
CREATE VIEW richest AS SELECT * FROM rich ORDER BY total DESC LIMIT 3;
DELIMITER //
CREATE FUNCTION plus_one(a INT) RETURNS INT DETERMINISTIC BEGIN RETURN a + 1; END //
CREATE PROCEDURE count_all() BEGIN SELECT COUNT(*) FROM customers; END //
CREATE TRIGGER first_one BEFORE INSERT ON customers FOR EACH ROW BEGIN SET NEW.name = CONCAT(NEW.name, '!😀?'); END //
CREATE TRIGGER `second.one` BEFORE INSERT ON customers FOR EACH ROW FOLLOWS first_one SET NEW.name = CONCAT(NEW.name, '2') //
CREATE TRIGGER `shop`.`qualified` AFTER DELETE ON `shop`.`orders` FOR EACH ROW INSERT INTO shop.log (what) VALUES ('gone') //
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DISABLE DO DELETE FROM log //
CREATE EVENT busy ON SCHEDULE EVERY 1 SECOND STARTS '2030-01-01 00:00:00' DO INSERT INTO log (what) VALUES ('tick') //
DELIMITER ;
";

/// A dump, without what a trigger's author wrote in another way than the server: how its head is spelt.
pub fn comparable(dump: &str) -> String {
    let mut lines = Vec::new();
    for line in dump.lines() {
        match line.starts_with("/*!50003 CREATE*/ ") {
            true => lines.push(
                line.split_once(" for each row ")
                    .map_or_else(|| line.split_once(" FOR EACH ROW ").map_or(line, |(_, body)| body), |(_, body)| body),
            ),
            false => lines.push(line),
        }
    }
    lines.join("\n")
}
