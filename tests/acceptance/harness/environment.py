"""Where things are, and what must be installed. Nothing here knows what a row measures."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = pathlib.Path(os.environ.get("SNAPHOLD_BIN", ROOT / "target/release/snaphold")).absolute()
DATA = pathlib.Path(os.environ.get("ACCEPTANCE_DATA", pathlib.Path.home() / ".cache/snaphold/acceptance")).absolute()
WORK = pathlib.Path(os.environ.get("ACCEPTANCE_WORK", DATA / "work")).absolute()
FIXTURES = ROOT / "tests/fixtures/neo4j"
POSTGRES_BIN = pathlib.Path("/usr/lib/postgresql/15/bin")

# Debian packages, each with a file that shows that it is there.
PACKAGES = {
    "restic": "/usr/bin/restic",
    "borgbackup": "/usr/bin/borg",
    "postgresql-15": POSTGRES_BIN / "postgres",
    "postgresql-contrib": "/usr/share/postgresql/15/extension/amcheck.control",
    "xz-utils": "/usr/bin/xz",
    "zstd": "/usr/bin/zstd",
    "util-linux": "/usr/bin/setpriv",
    "strace": "/usr/bin/strace",
}


def say(text):
    """A line of progress: on standard error, so that standard output holds the table alone."""
    print(text, file=sys.stderr, flush=True)


def install_what_is_missing():
    """Installs the Debian packages that the rows need; says what it does, and fails if it may not."""
    missing = [name for name, proof in PACKAGES.items() if not os.path.exists(proof)]
    if not missing:
        return
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    say(f"installing {' '.join(missing)} with apt")
    subprocess.run([*sudo, "apt-get", "update", "-q"], check=True, stdout=sys.stderr)
    # Without this, installing the server would create and start a cluster of its own.
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    subprocess.run(
        [*sudo, "apt-get", "install", "-y", "-q", "--no-install-recommends", *missing],
        check=True, stdout=sys.stderr, env=environment,
    )


def fresh(path):
    """An empty folder at `path`, whatever was there."""
    remove(path)
    path.mkdir(parents=True)
    return path


def remove(path):
    """Removes a file or a tree, if it is there."""
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)


def copy_tree(source, target):
    """Copies a tree with all that it has; `target` is replaced."""
    remove(target)
    subprocess.run(["cp", "-a", source, target], check=True)


def megabytes(count):
    """`count` bytes as text in units of 10^6, as the issue counts."""
    return f"{count / 1e6:.1f} MB"


@contextlib.contextmanager
def standing_at(path, place):
    """Has the tree `path` stand at `place` for a while: renamed, so that it stays what it is, inodes and times."""
    os.rename(path, place)
    try:
        yield place
    finally:
        os.rename(place, path)
