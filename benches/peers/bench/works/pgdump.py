"""`pgdump`: plain SQL dumps of the days of `pg`."""

import subprocess

from harness import data_postgres
from harness.environment import copy_tree, fresh, remove, say

from .base import Work
from .pg import Pg


class PgDump(Work):
    name = "pgdump"
    title = "plain SQL dumps of the same PostgreSQL days"
    repeats = 2
    data_bytes, scratch_bytes = 3_300_000_000, 3_500_000_000
    one = "event.sql"

    def make(self):
        clusters = Pg().make()
        folders = [self.place / folder.name for folder in clusters]
        if not (self.place / "done").exists():
            fresh(self.place)
            for cluster, folder in zip(clusters, folders):
                say(f"pgdump: {folder.name}")
                folder.mkdir()
                dump(cluster, folder / self.one)
            (self.place / "done").touch()
        return folders


def dump(cluster, target):
    """Dumps the database by a server on a copy of the cluster: starting one changes it."""
    home = data_postgres.server_folder("dump")
    try:
        copy_tree(cluster, home / "data")
        with data_postgres.running(home / "data", home) as connection, open(target, "wb") as file:
            command = [data_postgres.POSTGRES_BIN / "pg_dump", "--format=plain"]
            data_postgres.client(connection, command, stdout=file, stderr=subprocess.PIPE, check=True)
    finally:
        remove(home)
