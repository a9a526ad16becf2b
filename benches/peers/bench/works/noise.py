"""`random`: what cannot be compressed, and what nothing can be known of beforehand."""

import random

from harness.environment import fresh, say

from .. import settings
from .base import Work

PIECE = 1 << 20
GREAT = 1_000 << 20
SMALL = 16 << 20
SMALL_FILES = 60


class Noise(Work):
    name = "random"
    title = "2 GB of noise: a file of 1 GB, sixty of 16 MB"
    data_bytes, scratch_bytes = 2_100_000_000, 4_300_000_000
    one = "small-07.bin"

    def make(self):
        folder = self.place / "day0"
        if not (self.place / "done").exists():
            say("random: writing noise")
            fresh(self.place)
            folder.mkdir()
            write(folder / "great.bin", settings.scaled(GREAT))
            for number in range(SMALL_FILES):
                write(folder / f"small-{number:02d}.bin", settings.scaled(SMALL))
            (self.place / "done").touch()
        return [folder]


def write(path, size):
    choose = random.Random(path.name)
    with open(path, "wb") as file:
        for offset in range(0, size, PIECE):
            file.write(choose.randbytes(min(PIECE, size - offset)))
