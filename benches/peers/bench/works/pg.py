"""`pg`: a PostgreSQL data directory with half-random rows, and days of scattered one-row transactions."""

from harness import data_postgres

from .. import settings
from .base import Work, middling_file


class Pg(Work):
    name = "pg"
    title = "PostgreSQL 15 data directory, 20,000 scattered transactions a day"
    data_bytes, scratch_bytes = 5_000_000_000, 4_500_000_000
    first_too = True

    def make(self):
        if settings.SCALE == 1 and settings.DAYS == data_postgres.DAYS + 1:
            # The acceptance run has the same data.
            folders = data_postgres.prepare()
        else:
            folders = data_postgres.prepare(
                self.place, settings.scaled(data_postgres.ROWS), settings.DAYS - 1, settings.scaled(data_postgres.TRANSACTIONS)
            )
        self.one = middling_file(folders[-1], "base")
        return folders
