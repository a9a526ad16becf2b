"""`tree`: Linux 6.1 sources in three versions."""

import shutil

from harness import data_kernel
from harness.environment import fresh

from .. import settings
from .base import Work


class Tree(Work):
    name = "tree"
    title = "Linux 6.1 sources, three versions as Debian ships them"
    repeats = 2
    data_bytes, scratch_bytes = 4_400_000_000, 2_500_000_000
    day = "version"
    one = "kernel/sched/core.c"
    metadata = True
    # What a small scale keeps of the trees.
    part = ["kernel", "fs", "Documentation/admin-guide"]

    def is_made(self):
        return (data_kernel.FOLDER / "versions.json").exists()

    def make(self):
        whole = [path for _, path in data_kernel.prepare()]
        if settings.SCALE == 1:
            return whole
        parts = [self.place / path.name for path in whole]
        if not (self.place / "done").exists():
            fresh(self.place)
            for source, target in zip(whole, parts):
                for name in self.part:
                    shutil.copytree(source / name, target / name, symlinks=True)
            (self.place / "done").touch()
        return parts
