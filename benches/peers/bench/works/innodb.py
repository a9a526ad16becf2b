"""`innodb`: a MariaDB data directory, half-random rows, days of scattered one-row transactions; shut down each day."""

import contextlib
import os
import subprocess

from harness.environment import fresh, remove, say

from .. import settings
from .base import Work, middling_file

ROWS = 3_600_000
TRANSACTIONS = 20_000

# As in `pg`: odd rows random, even rows repeating. The procedure's transactions are one update each.
SCHEMA = """
CREATE DATABASE bench;
USE bench;
CREATE TABLE event (id BIGINT NOT NULL PRIMARY KEY, owner INT NOT NULL, body VARCHAR(250) CHARACTER SET ascii NOT NULL) ENGINE=InnoDB;
INSERT INTO event
SELECT seq, CONV(LEFT(MD5(CONCAT('o', seq)), 8), 16, 10) MOD 1000000,
       IF(seq MOD 2 = 1,
          CONCAT(MD5(CONCAT('a', seq)), MD5(CONCAT('b', seq)), MD5(CONCAT('c', seq)),
                 MD5(CONCAT('d', seq)), MD5(CONCAT('e', seq)), MD5(CONCAT('f', seq))),
          RPAD('status=ok; region=eu-west; agent=check/2.1; ', 192, 'the same words on every row; '))
FROM seq_1_to_{rows};
CREATE INDEX event_owner ON event (owner);
DELIMITER //
CREATE PROCEDURE work(day INT, transactions INT, row_count INT)
BEGIN
    DECLARE number INT DEFAULT 0;
    DECLARE salt VARCHAR(40);
    WHILE number < transactions DO
        SET salt = CONCAT(day, '-', number);
        UPDATE event
           SET body = CONCAT(MD5(CONCAT('a', salt)), MD5(CONCAT('b', salt)), MD5(CONCAT('c', salt)),
                             MD5(CONCAT('d', salt)), MD5(CONCAT('e', salt)), MD5(CONCAT('f', salt)))
         WHERE id = 1 + CONV(LEFT(MD5(salt), 12), 16, 10) MOD row_count;
        SET number = number + 1;
    END WHILE;
END //
DELIMITER ;
"""


class InnoDb(Work):
    name = "innodb"
    title = "MariaDB data directory (InnoDB), 20,000 scattered transactions a day"
    repeats = 2
    data_bytes, scratch_bytes = 4_400_000_000, 4_500_000_000
    first_too = True
    packages = {"mariadb-server-core": "/usr/sbin/mariadbd", "mariadb-client-core": "/usr/bin/mariadb"}

    def make(self):
        folders = [self.place / f"day{number}" for number in range(settings.DAYS)]
        if not (self.place / "done").exists():
            make(self.place, folders)
            (self.place / "done").touch()
        self.one = middling_file(folders[-1], ".")
        return folders


def make(place, folders):
    """Makes the server's folder, then a copy of it after each day."""
    home = fresh(place) / "server"
    home.mkdir()
    data, rows = home / "data", settings.scaled(ROWS)
    say("innodb: creating the server's folder")
    words = ["--no-defaults", f"--datadir={data}", "--skip-test-db", "--auth-root-authentication-method=normal", *as_user()]
    subprocess.run(["mariadb-install-db", *words], check=True, stdout=subprocess.DEVNULL)
    for number, folder in enumerate(folders):
        say(f"innodb: day {number}")
        with running(home, data):
            if number == 0:
                ask(home, SCHEMA.replace("{rows}", str(rows)))
            else:
                ask(home, f"CALL bench.work({number}, {settings.scaled(TRANSACTIONS)}, {rows});")
        subprocess.run(["cp", "-a", data, folder], check=True)
    remove(home)


def as_user():
    """The server does not run as root unless told to."""
    return ["--user=root"] if os.geteuid() == 0 else []


@contextlib.contextmanager
def running(home, data):
    """A server on `data`, on a socket in `home` alone; shut down cleanly at the end."""
    with open(home / "server.log", "ab") as log:
        server = subprocess.Popen([
            "mariadbd", "--no-defaults", *as_user(), f"--datadir={data}", f"--socket={home}/socket", f"--pid-file={home}/pid",
            "--skip-networking", "--innodb-buffer-pool-size=768M", "--innodb-log-file-size=48M", "--innodb-flush-log-at-trx-commit=0",
            "--skip-log-bin", "--innodb-autoinc-lock-mode=2", "--performance-schema=OFF",
        ], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for(server, home)
        yield
        ask(home, "SHUTDOWN;")
        code = server.wait(timeout=300)
        if code != 0:
            raise RuntimeError(f"mariadbd ended with {code}: {home}/server.log")
    except BaseException:
        server.kill()
        server.wait()
        raise


def wait_for(server, home):
    """Until the server answers, or has ended."""
    while server.poll() is None:
        with contextlib.suppress(subprocess.CalledProcessError):
            return ask(home, "SELECT 1;", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(timeout=0.1)
    raise RuntimeError(f"mariadbd did not start: {home}/server.log")


def ask(home, script, **options):
    command = ["mariadb", "--no-defaults", "-uroot", f"--socket={home}/socket"]
    subprocess.run(command, input=script.encode(), check=True, **options)
