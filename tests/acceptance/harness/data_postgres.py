"""A PostgreSQL 15 data directory of more than 1 GB, and three days of scattered one-row transactions on it."""

import contextlib
import os
import pathlib
import shutil
import subprocess

from .environment import DATA, POSTGRES_BIN, remove, say

FOLDER = DATA / "postgres"
ROWS = 4_000_000
DAYS = 3
TRANSACTIONS = 20_000
PORT = 54_329

# Bodies of odd rows are random; those of even rows repeat. Each fills its page, so that an update rarely stays on it.
SCHEMA = """
SELECT setseed(0.42);
CREATE TABLE event (id bigint NOT NULL, owner integer NOT NULL, body text NOT NULL);
INSERT INTO event
SELECT n, (random() * 1000000)::integer,
       CASE WHEN n % 2 = 1
            THEN md5(random()::text) || md5(random()::text) || md5(random()::text)
              || md5(random()::text) || md5(random()::text) || md5(random()::text)
            ELSE rpad('status=ok; region=eu-west; agent=check/2.1; ', 192, 'the same words on every row; ')
       END
FROM generate_series(1, :rows) AS n;
ALTER TABLE event ADD PRIMARY KEY (id);
CREATE INDEX event_owner ON event (owner);
CREATE EXTENSION amcheck;
VACUUM (FREEZE, ANALYZE) event;
CHECKPOINT;
"""

UPDATE = """
\\set id random(1, :rows)
\\set seed random(1, 1000000000)
UPDATE event SET body = md5('a:seed') || md5('b:seed') || md5('c:seed') || md5('d:seed') || md5('e:seed') || md5('f:seed')
 WHERE id = :id;
"""

SETTINGS = """
listen_addresses = ''
autovacuum = off
shared_buffers = 512MB
max_wal_size = 128MB
synchronous_commit = off
log_min_messages = fatal
"""


def as_server(command):
    """`command`, run as the user that a PostgreSQL server agrees to run as."""
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
    return [str(word) for word in command]


def server_folder(name):
    """An empty folder that the server's user reaches and owns, which a home folder of mode 700 is not."""
    folder = pathlib.Path("/var/tmp") / f"snaphold-acceptance-{os.geteuid()}-{name}"
    remove(folder)
    folder.mkdir(mode=0o755)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    return folder


@contextlib.contextmanager
def running(data, sockets):
    """A server on `data` that listens on a socket in `sockets` alone; stopped cleanly at the end."""
    environment = dict(os.environ, PGDATA=str(data), LC_ALL="C.UTF-8")
    control = [POSTGRES_BIN / "pg_ctl", "-w", "-t", "300", "-D", data]
    log = sockets / "server.log"
    start = [*control, "-s", "-l", log, "-o", f"-k {sockets} -p {PORT}", "start"]
    subprocess.run(as_server(start), check=True, env=environment, cwd="/", stdout=subprocess.DEVNULL)
    try:
        yield {"PGHOST": str(sockets), "PGPORT": str(PORT), "PGUSER": "postgres", "PGDATABASE": "postgres", "LC_ALL": "C.UTF-8"}
    finally:
        stop = [*control, "-s", "-m", "fast", "stop"]
        subprocess.run(as_server(stop), check=True, env=environment, cwd="/", stdout=subprocess.DEVNULL)


def client(connection, command, **options):
    """Runs a client program against a running server."""
    environment = dict(os.environ, **connection)
    return subprocess.run(as_server(command), env=environment, cwd="/", text=True, **options)


def prepare(folder=FOLDER, rows=ROWS, days=DAYS, transactions=TRANSACTIONS):
    """The copies, day 0 first, `days` more after it. Each is a cold copy of the same cluster."""
    copies = [folder / f"day{number}" for number in range(days + 1)]
    if (folder / "done").exists():
        return copies
    remove(folder)
    folder.mkdir(parents=True)
    home = server_folder("make")
    data = home / "data"
    say("postgres: creating the cluster")
    create = [POSTGRES_BIN / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
    subprocess.run(as_server(create), check=True, cwd="/", stdout=subprocess.DEVNULL)
    with open(data / "postgresql.conf", "a", encoding="utf-8") as settings:
        settings.write(SETTINGS)
    script = home / "update.sql"
    script.write_text(UPDATE)
    for number, copy in enumerate(copies):
        say(f"postgres: day {number}")
        with running(data, home) as connection:
            if number == 0:
                load = [POSTGRES_BIN / "psql", "-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-v", f"rows={rows}"]
                client(connection, load, input=SCHEMA, check=True)
            else:
                client(
                    connection,
                    [POSTGRES_BIN / "pgbench", "-n", "-f", script, "-t", str(transactions), "-D", f"rows={rows}",
                     f"--random-seed={number}"],
                    check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )
                client(connection, [POSTGRES_BIN / "psql", "-X", "-q", "-c", "CHECKPOINT"], check=True)
        subprocess.run(["cp", "-a", data, copy], check=True)
    remove(home)
    (folder / "done").touch()
    return copies
