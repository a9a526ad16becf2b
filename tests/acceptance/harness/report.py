"""What a row found: each check with its number and whether it holds."""

import contextlib
import datetime
import json
import re
import subprocess
import traceback

from .environment import BINARY, ROOT, say
from .snaphold import Unexpected


class Row:
    """One row of the table. A row without a check that holds does not hold."""

    def __init__(self, name):
        self.name = name
        self.checks = []

    def check(self, measured, holds):
        """Notes something that has to hold."""
        self.add(measured, bool(holds))

    def note(self, measured):
        """Notes a number beside it, which decides nothing."""
        self.add(measured, None)

    def add(self, measured, holds):
        self.checks.append({"measured": measured, "holds": holds})
        say(f"  {self.name}: {measured}: {WORDS[holds]}")

    def equal(self, what, found):
        """Notes that a comparer found nothing."""
        self.check(f"{what}: {'equal' if not found else '; '.join(found[:3])}", not found)

    @property
    def holds(self):
        decisive = [check["holds"] for check in self.checks if check["holds"] is not None]
        return bool(decisive) and all(decisive)

    @contextlib.contextmanager
    def guarded(self):
        """A program that breaks its contract, or a harness that breaks, fails the row and not the run."""
        try:
            yield
        except Unexpected as error:
            self.check(str(error), False)
        except Exception as error:  # noqa: BLE001 - a row that could not be measured is a row that does not hold
            say(traceback.format_exc())
            self.check(f"could not be measured: {type(error).__name__}: {error}", False)


WORDS = {True: "yes", False: "NO", None: "(number)"}


def table(rows):
    """The table as Markdown."""
    lines = ["| row | what was measured | holds? |", "| --- | --- | --- |"]
    for row in rows:
        for check in row.checks:
            measured = re.sub(r"\s+", " ", check["measured"]).replace("|", "\\|")
            lines.append(f"| {row.name} | {measured} | {WORDS[check['holds']]} |")
        lines.append(f"| **{row.name}** | | **{WORDS[row.holds]}** |")
    return "\n".join(lines)


def write(rows, path):
    """The same as JSON, with what it was measured on."""
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    version = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=False)
    record = {
        "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "version": version.stdout.strip(),
        "holds": all(row.holds for row in rows),
        "rows": [{"row": row.name, "holds": row.holds, "checks": row.checks} for row in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record, indent=2) + "\n")
