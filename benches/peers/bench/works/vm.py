"""`vm`: a sparse disk image with an ext4 file system full of sources, and the same a day of changes later."""

import os
import subprocess

from harness import compare, data_kernel
from harness.environment import fresh, remove, say

from .. import settings
from .base import Work

BYTES = 8 << 30
# Every n-th file that differs between the two versions of the sources is replaced by its newer form.
SHARE = 2
NOW = "1767225600"
IDENTITY = "6d7b2c1e-5a0f-4a53-9f0e-3c1a7d2b9e44"


class Vm(Work):
    name = "vm"
    title = "a sparse disk image of 8 GB, ext4, 1.5 GB used"
    data_bytes, scratch_bytes = 3_200_000_000, 10_000_000_000
    one = "disk.img"
    sparse = True
    repeats = 2
    packages = {"e2fsprogs": "/usr/sbin/debugfs"}

    def make(self):
        folders = [self.place / "day0", self.place / "day1"]
        if not (self.place / "done").exists():
            before, after = (path for _, path in data_kernel.prepare()[:2])
            fresh(self.place)
            for folder in folders:
                folder.mkdir()
            first, second = (folder / self.one for folder in folders)
            make_image(first, before)
            subprocess.run(["cp", "-a", "--sparse=always", first, second], check=True)
            change_image(second, before, after)
            (self.place / "done").touch()
        return folders


def tools_environment():
    """The same image each time: no time of now in it."""
    return dict(os.environ, E2FSPROGS_FAKE_TIME=NOW, PATH=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def part_of(tree):
    """What of the sources goes onto the disk: a part of them at a small scale."""
    return tree if settings.SCALE == 1 else tree / "fs"


def make_image(image, tree):
    say("vm: making the file system")
    with open(image, "wb") as file:
        file.truncate(settings.scaled(BYTES, 256 << 20) // 4096 * 4096)
    command = [
        "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-U", IDENTITY,
        "-E", f"hash_seed={IDENTITY},lazy_itable_init=1,lazy_journal_init=1", "-d", part_of(tree), image,
    ]
    subprocess.run(command, check=True, env=tools_environment(), stdout=subprocess.DEVNULL)


def change_image(image, before, after):
    """Replaces files inside the image, as a system that is updated would."""
    say("vm: changing files in it")
    before, after = part_of(before), part_of(after)
    old, new = compare.regular_files(before), compare.regular_files(after)
    changed = sorted(
        path for path in old.keys() & new.keys()
        if old[path] != new[path] or not compare.same_content(before / os.fsdecode(path), after / os.fsdecode(path))
    )[::SHARE]
    script = image.with_suffix(".script")
    with open(script, "wb") as file:
        for path in changed:
            # A new file gets its name in the current folder, so that goes there first.
            folder, name = os.path.split(path)
            file.write(b'cd "/%s"\nrm "%s"\nwrite "%s" "%s"\n' % (folder, name, os.path.join(bytes(after), path), name))
    done = subprocess.run(
        ["debugfs", "-w", "-f", script, image], check=True, env=tools_environment(), stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    said = [line for line in done.stderr.splitlines() if b"debugfs 1." not in line]
    if said:
        raise RuntimeError(f"debugfs: {said[0].decode()}")
    remove(script)
    subprocess.run(["e2fsck", "-fn", image], check=True, env=tools_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
