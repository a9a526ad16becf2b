"""The disk runs full during a snapshot, at several places; then there is space again."""

import contextlib
import os
import subprocess

from harness import compare, made
from harness.environment import WORK, fresh, remove
from harness.snaphold import DONE, FAILED, Repository

FREE_MIB = [0, 1, 4, 12, 30, 55]
NEW_BYTES = 64_000_000


def measure(row):
    for free in FREE_MIB:
        with row.guarded(), small_disk(WORK / "full") as disk:
            one(row, disk, free)


@contextlib.contextmanager
def small_disk(folder):
    """A file system of its own in memory; needs the right to mount."""
    fresh(folder)
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    subprocess.run([*sudo, "mount", "-t", "tmpfs", "-o", "size=512m,mode=777", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run([*sudo, "umount", folder], check=True)
        remove(folder)


def resize(disk, size):
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    subprocess.run([*sudo, "mount", "-o", f"remount,size={size}", disk], check=True)


def one(row, disk, free):
    """A snapshot of 64 MB of noise with `free` MiB left."""
    repository = Repository.create(disk / "repo")
    source, first_tree = WORK / "full-source", WORK / "full-first"
    remove(source), remove(first_tree)
    made.small_tree(source, "full")
    repository.add_instance("shop", source)
    first = repository.take("shop")[1]["id"]
    subprocess.run(["cp", "-a", source, first_tree], check=True)
    made.change(source, "full-second")
    with open("/dev/urandom", "rb") as noise:
        (source / "noise").write_bytes(noise.read(NEW_BYTES))
    status = os.statvfs(disk)
    used = (status.f_blocks - status.f_bfree) * status.f_frsize
    resize(disk, used + free * 1024 * 1024)

    answer = repository.ask("snapshot", "take", "shop")
    row.check(f"{free} MiB free: exits {answer.code}, {' '.join(answer.text.split())[:140]}",
              answer.code == FAILED and "message" in answer.last.get("error", {}) and "panicked" not in answer.text)
    resize(disk, "512m")
    repository.expect_sound()
    completed = [record["id"] for record in repository.listed() if record["status"] == "completed"]
    row.check(f"{free} MiB free: {len(completed)} snapshot completed, and sound", completed == [first])
    second = repository.take("shop")[1]["id"]
    repository.expect_sound()
    found = []
    for snapshot, tree in ((first, first_tree), (second, source)):
        target = WORK / "full-out"
        remove(target)
        restored = repository.restore(snapshot, target)
        found += [restored.problem()] if restored.code != DONE else compare.differences(tree, target)
        remove(target)
    row.equal(f"{free} MiB free: with space again the next snapshot works; both restored", found)
    remove(source), remove(first_tree)
