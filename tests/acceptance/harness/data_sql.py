"""A plain SQL dump of 500 MB, and the same after 1 % of its rows, scattered, were updated."""

import os
import random

from .environment import DATA, remove, say

FOLDER = DATA / "sql"
BYTES = 500_000_000
ROWS_IN_STATEMENT = 100
HEAD = """-- SQL dump
CREATE TABLE client (id INTEGER PRIMARY KEY, token TEXT, email TEXT, balance NUMERIC, generation INTEGER, joined DATE, note TEXT);
"""
WORDS = (
    "account active address amount billing blocked branch cancelled card change city client closed comment company contact "
    "contract country created credit currency customer daily date delivery deposit discount draft email error expired field "
    "first group invoice item language ledger limit line local member monthly name network note number office open order "
    "owner paid partner payment pending period phone plan price product profile project quantity quarter rate reason record "
    "refund region renewal report request retail returned review sales score sector sent service shipped signed status stock "
    "store street supplier support system target team term ticket total transfer unit update user value verified volume weekly"
).split()


def row(number, generation, choose):
    """One row as text. The columns that an update changes stand between others that it does not."""
    words = choose.choices(WORDS, k=14)
    stable = random.Random(number)
    key = f"{stable.getrandbits(96):024x}"
    return (
        f"({number},'{key}','{words[0]}.{words[1]}{stable.randrange(10_000)}@example.org',{choose.randrange(10_000_000) / 100:.2f},"
        f"{generation},'2024-{stable.randrange(1, 13):02d}-{stable.randrange(1, 29):02d}','{' '.join(words[2:])}')"
    )


def statement(first, changed):
    """The statement that inserts the rows from number `first` on."""
    rows = []
    for number in range(first, first + ROWS_IN_STATEMENT):
        generation = 1 if number in changed else 0
        rows.append(row(number, generation, random.Random(number * 2 + generation)))
    return "INSERT INTO client VALUES\n" + ",\n".join(rows) + ";\n"


def write(path, changed, count=None):
    """Writes a dump of `count` rows, or of as many as fill it; gives their number.

    The rows whose numbers are in `changed` have their second generation.
    """
    staging = path.with_suffix(".part")
    written = 0
    with open(staging, "w", encoding="ascii", buffering=1 << 20) as dump:
        dump.write(HEAD)
        while written < count if count else dump.tell() < BYTES:
            dump.write(statement(written + 1, changed))
            written += ROWS_IN_STATEMENT
    os.rename(staging, path)
    return written


def prepare():
    """The two dumps: `(before, after)`."""
    before, after = FOLDER / "before.sql", FOLDER / "after.sql"
    if not (FOLDER / "done").exists():
        remove(FOLDER)
        FOLDER.mkdir(parents=True)
        say("sqldump: writing the first dump")
        count = write(before, frozenset())
        say(f"sqldump: writing the second, with {count // 100} of {count} rows updated")
        write(after, frozenset(random.Random(1).sample(range(1, count + 1), count // 100)), count)
        (FOLDER / "done").write_text(f"{count}\n")
    return before, after
