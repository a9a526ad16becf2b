"""Running a program and measuring it from outside."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile

LAUNCHER = pathlib.Path(__file__).with_name("launch.py")


@dataclasses.dataclass
class Run:
    """How one run of a program went, or several that belong together.

    `peak_bytes` is the greatest resident size of the largest process, files that are mapped included. `written_bytes` is
    what was handed to writing calls, whatever the file; `disk_bytes` is what the kernel took for a disk, which is nothing
    in memory file systems. None: not known.
    """

    code: int
    seconds: float
    peak_bytes: int
    stdout: str
    stderr: str
    user_seconds: float = 0.0
    system_seconds: float = 0.0
    written_bytes: int | None = None
    disk_bytes: int | None = None

    def then(self, other):
        """This run and another after it, as one."""
        def both(one, two):
            return None if one is None or two is None else one + two
        return Run(
            self.code or other.code, self.seconds + other.seconds, max(self.peak_bytes, other.peak_bytes),
            self.stdout + other.stdout, self.stderr + other.stderr,
            self.user_seconds + other.user_seconds, self.system_seconds + other.system_seconds,
            both(self.written_bytes, other.written_bytes), both(self.disk_bytes, other.disk_bytes),
        )


def run(command, environment=None, stdin=None, timeout=7200, **options):
    """Runs `command` to its end. Never raises for an exit code: the caller judges those."""
    with tempfile.NamedTemporaryFile("r", prefix="acceptance-run-") as report:
        words = [sys.executable, "-I", "-S", str(LAUNCHER), report.name, *map(str, command)]
        done = subprocess.run(
            words, env=environment, input=stdin, capture_output=True, timeout=timeout,
            stdin=subprocess.DEVNULL if stdin is None else None, **options,
        )
        text = report.read()
    stdout, stderr = done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")
    # A program that could not be started has cost nothing.
    return Run(done.returncode, stdout=stdout, stderr=stderr, **(json.loads(text) if text else {"seconds": 0.0, "peak_bytes": 0}))


def settle():
    """Has what was written so far reach the disk, so that one run does not pay for the one before."""
    os.sync()


def warm(folder):
    """Reads a tree, so that each contender finds it in the page cache."""
    find = subprocess.Popen(["find", f"{folder}/", "-type", "f", "-print0"], stdout=subprocess.PIPE)
    read = ["xargs", "-0", "-r", "-n", "200", "-P", str(os.cpu_count()), "cat"]
    subprocess.run(read, stdin=find.stdout, stdout=subprocess.DEVNULL, check=True)
    find.stdout.close()
    if find.wait() != 0:
        raise RuntimeError(f"could not read all of {folder}")


def warm_data(folder):
    """The same for sparse files: their data alone. Holes that are read would fill the page cache with zeros."""
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file() and not path.is_symlink():
            with open(path, "rb", buffering=0) as file:
                for start, end in data_ranges(file.fileno()):
                    file.seek(start)
                    while file.tell() < end and file.read(min(1 << 20, end - file.tell())):
                        pass


def data_ranges(descriptor, start=0):
    """Where an open file has data from `start` on, and no hole: `(first byte, byte after the last)`."""
    while True:
        try:
            start = os.lseek(descriptor, start, os.SEEK_DATA)
        except OSError:
            # There is none any more.
            return
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end
        start = end
