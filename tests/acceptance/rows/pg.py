"""A PostgreSQL data directory and three days of scattered one-row transactions."""

import subprocess

from harness import compare, data_postgres
from harness.environment import POSTGRES_BIN, WORK, megabytes, remove, standing_at
from harness.snaphold import Repository, Unexpected
from harness.tools import Borg, Restic

SHARE_LIMIT = 0.03


def measure(row):
    days = data_postgres.prepare()
    first = compare.tree_bytes(days[0])
    row.check(f"data directory of {megabytes(first)}, {megabytes(compare.tree_bytes(days[0] / 'pg_wal'))} of it WAL; at least 1 GB",
              first >= 1_000_000_000)
    repository = Repository.create(WORK / "pg")
    snapshots = take_days(row, repository, days)
    sizes = repository.sizes()
    row.note(f"all four: {megabytes(sizes.whole)} the whole folder, {megabytes(sizes.objects)} without the index")
    for number in (1, 3):
        target = WORK / "pg-restored"
        remove(target)
        answer = repository.restore(snapshots[number]["id"], target)
        if answer.code != 0:
            raise Unexpected(answer.problem())
        row.equal(f"day {number} restored in {answer.run.seconds:.1f} s", compare.differences(days[number], target))
        remove(target)
    start(row, repository, snapshots[3]["id"])
    remove(repository.base)
    for peer in (Restic, Borg):
        beside(row, peer, days)


def take_days(row, repository, days):
    """A snapshot a day of everything; beside it, in a repository of its own, of all but the WAL, to know its part: alone the
    WAL would be stored whole, without the pages that most of it is copies of."""
    rest = Repository.create(WORK / "pg-rest")
    snapshots = []
    current = days[0].parent / "current"
    for number, day in enumerate(days):
        before = repository.sizes().objects
        with standing_at(day, current):
            if number == 0:
                repository.add_instance("db", current)
                rest.add_instance("rest", current)
            answer, snapshot = repository.take("db")
            with standing_at(current / "pg_wal", current.parent / "pg_wal-aside"):
                rest_stored = rest.take("rest")[1]["bytes_stored"]
        snapshots.append(snapshot)
        grown = repository.sizes().objects - before
        row.check(f"day {number} in {answer.run.seconds:.1f} s, peak {answer.run.peak_bytes / 2**20:.0f} MiB: reports "
                  f"{megabytes(snapshot['bytes_stored'])} stored, the repository grew by {megabytes(grown)}",
                  abs(grown - snapshot["bytes_stored"]) <= 0.01 * grown + 16_384)
        if number > 0:
            share_of_changed(row, number, days, rest_stored, grown - rest_stored)
    remove(rest.base)
    return snapshots


def share_of_changed(row, number, days, data_stored, wal_stored):
    """Holds what a day added against the pages that differ from the day before."""
    pages, other = compare.pages_changed(days[number - 1], days[number])
    changed = pages * compare.PAGE
    row.check(f"day {number}: {pages} pages changed ({megabytes(changed)}; other files {megabytes(other)}), adds "
              f"{megabytes(data_stored)} + {megabytes(wal_stored)} WAL: {data_stored / changed:.2%} of the changed pages; limit 3 %",
              data_stored <= SHARE_LIMIT * changed)


def start(row, repository, snapshot):
    """A server on the restored directory, and `pg_amcheck` over all of it."""
    home = data_postgres.server_folder("restored")
    data = home / "data"
    answer = repository.restore(snapshot, data)
    if answer.code != 0:
        raise Unexpected(answer.problem())
    with data_postgres.running(data, home) as connection:
        # Before any query: reading a page may prune it, and with that hide what was wrong with it.
        check = [POSTGRES_BIN / "pg_amcheck", "--all", "--install-missing", "--heapallindexed"]
        done = data_postgres.client(connection, check, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        said = [line for line in done.stdout.splitlines() if not line.startswith("NOTICE:")]
        row.check(f"pg_amcheck exits {done.returncode}: {'; '.join(said)[:200] or 'clean'}", done.returncode == 0 and not said)
        count = data_postgres.client(
            connection, [POSTGRES_BIN / "psql", "-X", "-A", "-t", "-c", "SELECT count(*), count(DISTINCT id) FROM event"],
            check=True, stdout=subprocess.PIPE,
        ).stdout.strip()
        row.check(f"server starts; rows and distinct ids: {count}", count == f"{data_postgres.ROWS}|{data_postgres.ROWS}")
    remove(home)


def beside(row, kind, days):
    """What another tool adds a day."""
    peer = kind(WORK / "peer")
    peer.initialise()
    current = days[0].parent / "current"
    added = []
    for number, day in enumerate(days):
        with standing_at(day, current):
            added.append(peer.snapshot(current, f"day{number}")[1])
    row.note(f"{kind.name} adds {', '.join(map(megabytes, added))}")
    remove(WORK / "peer")
