"""`pg`: a PostgreSQL data directory with half-random rows, and days of scattered one-row transactions."""

from harness import data_postgres

from .. import settings
from .base import Work, middling_file


class Pg(Work):
    name = "pg"
    title = "PostgreSQL 15 data directory, 20,000 scattered transactions a day"
    data_bytes, scratch_bytes = 5_000_000_000, 4_500_000_000
    first_too = True

    @property
    def place(self):
        """The acceptance run has the same data."""
        same = settings.SCALE == 1 and settings.DAYS == data_postgres.DAYS + 1
        return data_postgres.FOLDER if same else super().place

    def make(self):
        rows, transactions = settings.scaled(data_postgres.ROWS), settings.scaled(data_postgres.TRANSACTIONS)
        folders = data_postgres.prepare(self.place, rows, settings.DAYS - 1, transactions)
        self.one = middling_file(folders[-1], "base")
        return folders
