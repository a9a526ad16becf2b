"""Three Linux 6.1 source trees, as Debian ships them."""

import json
import os
import subprocess

from .environment import DATA, remove, say

# The versions that the recorded numbers were measured with; others take their place where the archive has moved on.
PREFERRED = ["6.1.170-3", "6.1.176-1", "6.1.187-1"]
FOLDER = DATA / "kernel"


def available():
    """The versions of `linux-source-6.1` that apt can fetch, oldest first."""
    listing = subprocess.run(["apt-cache", "madison", "linux-source-6.1"], capture_output=True, text=True, check=True)
    versions = [line.split("|")[1].strip() for line in listing.stdout.splitlines() if "|" in line]
    return sorted(set(versions), key=lambda version: [int(part) for part in version.replace("-", ".").split(".") if part.isdigit()])


def choose():
    """Up to three versions: the preferred ones while they exist, else the oldest of each upstream release."""
    versions = available()
    if all(version in versions for version in PREFERRED):
        return PREFERRED
    by_release = {}
    for version in versions:
        by_release.setdefault(version.split("-")[0], version)
    return list(by_release.values())[:3]


def prepare():
    """The folders of the trees, oldest first, with their versions: `[(version, path)]`."""
    record = FOLDER / "versions.json"
    if not record.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        versions = choose()
        say(f"kernel: versions {', '.join(versions)}")
        for number, version in enumerate(versions, 1):
            unpack(version, FOLDER / f"v{number}")
        record.write_text(json.dumps(versions))
    return [(version, FOLDER / f"v{number}") for number, version in enumerate(json.loads(record.read_text()), 1)]


def unpack(version, target):
    """Downloads one package and unpacks the source tree that it holds."""
    if target.exists():
        return
    package = FOLDER / f"linux-source-6.1_{version}_all.deb"
    if not package.exists():
        subprocess.run(["apt-get", "download", "-q", f"linux-source-6.1={version}"], cwd=FOLDER, check=True)
    staging = FOLDER / f"{target.name}.part"
    remove(staging)
    staging.mkdir()
    script = (
        'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar -xO ./usr/src/linux-source-6.1.tar.xz'
        ' | tar -xJ --no-same-owner --strip-components=1 -C "$2"'
    )
    subprocess.run(["nice", "-n", "10", "bash", "-c", script, "unpack", package, staging], check=True)
    os.rename(staging, target)
    package.unlink()
