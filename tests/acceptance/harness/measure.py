"""Running a program and measuring it from outside."""

import dataclasses
import os
import pathlib
import subprocess
import tempfile


@dataclasses.dataclass
class Run:
    """How one run of a program went."""

    code: int
    seconds: float
    peak_bytes: int
    stdout: str
    stderr: str


def run(command, environment=None, stdin=None, timeout=7200, **options):
    """Runs `command` to its end. Never raises for an exit code: rows judge those.

    The peak is that of the program alone. `getrusage` would give at least the peak of the Python process that
    started it, so a small program (`time`) stands between.
    """
    with tempfile.NamedTemporaryFile("r", prefix="acceptance-time-") as report:
        words = ["/usr/bin/time", "-q", "-o", report.name, "-f", "%e %M", *map(str, command)]
        done = subprocess.run(
            words, env=environment, input=stdin, capture_output=True, timeout=timeout,
            stdin=subprocess.DEVNULL if stdin is None else None, **options,
        )
        seconds, peak_kib = report.read().split()[-2:]
    return Run(
        done.returncode, float(seconds), int(peak_kib) * 1024,
        done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"),
    )


def settle():
    """Has what was written so far reach the disk, so that one run does not pay for the one before."""
    os.sync()


def warm(folder):
    """Reads a tree, so that each contender finds it in the page cache."""
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file() and not path.is_symlink():
            with open(path, "rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass
