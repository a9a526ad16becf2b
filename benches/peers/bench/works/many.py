"""`many`: a million files of 1 to 8 KiB. The next day 1 % of them are others, some are new and some are gone.

There is one tree, and beside it what the other day has: a second tree would double the space. To change the day, files
change places with those of the other day, by renames, so that all others stay untouched, as on a real disk.
"""

import concurrent.futures
import contextlib
import json
import math
import multiprocessing
import os
import random

from harness import measure
from harness.environment import fresh, say

from .. import settings
from .base import Work, turn

FILES = 1_000_000
IN_FOLDER = 250
FOLDERS_IN_FOLDER = 64


def path_of(number):
    folder = number // IN_FOLDER
    return f"{folder // FOLDERS_IN_FOLDER:03d}/{folder % FOLDERS_IN_FOLDER:02d}/{number:07d}.json"


def content(number, generation):
    """A record of 1 to 8 KiB, small ones more often, of which a third repeats from file to file."""
    choose = random.Random(number * 8 + generation)
    size = int(1024 * math.exp(choose.random() * math.log(8)))
    parts = [f'{{"id": {number}, "generation": {generation}, "kind": "measurement", "points": [\n']
    length = len(parts[0])
    while length < size:
        line = f'  {{"sensor": "{choose.randbytes(16).hex()}", "unit": "kelvin", "value": {choose.random() * 400:.6f}}},\n'
        parts.append(line)
        length += len(line)
    return "".join(parts)[:size].encode()


def write_folder(root, numbers, generation):
    """Writes the files of some numbers; gives their bytes."""
    total = 0
    for number in numbers:
        path = os.path.join(root, path_of(number))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        body = content(number, generation)
        with open(path, "wb", buffering=0) as file:
            file.write(body)
        total += len(body)
    return total


class Many(Work):
    name = "many"
    title = "a million files of 1 to 8 KiB"
    repeats = 1
    data_bytes, scratch_bytes = 5_500_000_000, 9_000_000_000

    def make(self):
        self.tree = self.place / "tree"
        # What stands in the tree when it is not that day's turn.
        self.aside = [self.place / "only-day0", self.place / "only-day1"]
        if not (self.place / "done").exists():
            make(self.place, self.tree, self.aside)
        self.only = [json.loads((self.place / f"day{day}.json").read_text()) for day in (0, 1)]
        self.known = [set(paths) for paths in self.only]
        self.record = json.loads((self.place / "done").read_text())
        self.one = self.only[1][len(self.only[1]) // 2]
        return [self.tree, self.tree]

    def facts(self):
        return self.record

    def show(self, day):
        """Has the tree be what it is on that day, whatever it is now, and even if the last change was cut short."""
        for path in self.only[1 - day]:
            # What waits aside for this day is not in the tree yet, so the tree has the other day's, or nothing.
            if path not in self.known[day] or os.path.exists(self.aside[day] / path):
                move(self.tree / path, self.aside[1 - day] / path)
        for path in self.only[day]:
            move(self.aside[day] / path, self.tree / path)

    @contextlib.contextmanager
    def standing(self, day):
        self.show(day)
        with super().standing(day) as place:
            yield place

    def wrong(self, day, restored, more_allowed=False):
        self.show(day)
        return super().wrong(day, restored, more_allowed)

    def wrong_one(self, restored):
        self.show(1)
        return super().wrong_one(restored)

    def turn_back(self, tree):
        turn(tree, self.aside[0], [(os.fsencode(path), True) for path in sorted({*self.only[0], *self.only[1]})])

    def warm(self):
        for folder in (self.tree, *self.aside):
            measure.warm(folder)


def move(source, target):
    """Renames a file that may have been moved before."""
    with contextlib.suppress(FileNotFoundError):
        os.rename(source, target)


def make(place, tree, aside):
    """Writes the tree as on day 0, and aside what day 1 has instead."""
    count = settings.scaled(FILES, 2000)
    say(f"many: writing {count} files")
    fresh(place)
    pieces = [range(first, min(first + 64 * IN_FOLDER, count)) for first in range(0, count, 64 * IN_FOLDER)]
    with concurrent.futures.ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
        size = sum(pool.map(write_folder, [tree] * len(pieces), pieces, [0] * len(pieces)))
    draws = random.Random(1).sample(range(count), count // 100 + count // 200)
    changed, gone = draws[:count // 100], draws[count // 100:]
    new = range(count, count + count // 200)
    # What is in the tree now, and not on day 1, and the other way round.
    only = [sorted(map(path_of, [*changed, *gone])), sorted(map(path_of, [*changed, *new]))]
    old_size = sum((tree / path).stat().st_size for path in only[0])
    new_size = write_folder(aside[1], [*changed, *new], 1)
    for folder, paths in zip((aside[0], tree), only):
        for path in paths:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
    for day, paths in enumerate(only):
        (place / f"day{day}.json").write_text(json.dumps(paths))
    facts = [{"bytes": size, "files": count}, {"bytes": size - old_size + new_size, "files": count - len(gone) + len(new)}]
    (place / "done").write_text(json.dumps(facts))
