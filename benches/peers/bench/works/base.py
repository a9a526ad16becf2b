"""What a kind of work is: data in a number of states, which follow each other as days do."""

import contextlib
import os
import shutil
import subprocess

from harness import compare, environment, measure

from .. import settings


class Work:
    """One kind of work.

    Its days are folders here; each is put at the same place when it is its turn, so that a tool sees one folder change.
    """

    name = ""
    title = ""
    # What a day is called in the tables.
    day = "day"
    # A path in the last day that is restored alone.
    one = ""
    # Whether the first day is restored too, when the last one is: what does a chain of days cost?
    first_too = False
    # Whether modes, times and links are compared beside content.
    metadata = False
    # Whether it has great holes.
    sparse = False
    # How often by itself.
    repeats = 3
    # About what its data takes on disk at scale 1, and what a turn of the hungriest tool takes beside it.
    data_bytes = 0
    scratch_bytes = 0
    # Debian packages that making it takes, with a file that shows that each is there.
    packages = {}

    def __init__(self):
        self.folders = []
        self._changed = None

    @property
    def place(self):
        """Where its data is made."""
        return settings.DATA / self.name

    def prepare(self):
        """Makes the data unless it is there; fills `folders`."""
        self.folders = self.make()
        # A run that was killed where days are renamed has left one at the place that all share.
        for folder in self.folders:
            current = folder.parent / "current"
            if not folder.exists() and current.exists():
                os.rename(current, folder)

    def is_made(self):
        """Whether its data is there."""
        return (self.place / "done").exists()

    def make(self):
        """Makes the data unless it is there: its folders, a day each."""
        raise NotImplementedError

    def days(self):
        return len(self.folders)

    def warm(self):
        """Reads all days, so that every tool finds them in the page cache."""
        for folder in self.folders:
            (measure.warm_data if self.sparse else measure.warm)(folder)

    @contextlib.contextmanager
    def standing(self, day):
        """Has a day stand at the place that all days share: mounted there, read-only, or renamed where that is not allowed."""
        if os.environ.get("PEERS_MOUNTS") == "1":
            place = settings.WORK / f"current-{self.name}"
            place.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "-o", "bind,ro", self.folders[day], place], check=True)
            try:
                yield place
            finally:
                subprocess.run(["umount", place], check=True)
                place.rmdir()
        else:
            with environment.standing_at(self.folders[day], self.folders[day].parent / "current") as place:
                yield place

    def wrong(self, day, restored, more_allowed=False):
        """What of a restored tree is not as that day was, a line each."""
        return compare.differences(self.folders[day], restored, root_too=False, metadata=self.metadata, more_allowed=more_allowed)

    def wrong_one(self, restored):
        """The same for the one file: whatever is restored below `restored` must be it alone."""
        found = [path for path in restored.rglob("*") if path.is_file()]
        if len(found) != 1:
            return [f"{len(found)} files instead of one"]
        expected, size = self.folders[-1] / self.one, found[0].stat().st_size
        equal = expected.stat().st_size == size and compare.same_part(expected, found[0], 0, size)
        return [] if equal else [f"{self.one}: content"]

    def turn_back(self, tree):
        """Turns a tree that is as the last day into one as the day before. What differs is copied, and nothing else."""
        old, new = self.folders[-2], self.folders[-1]
        if self._changed is None:
            self._changed = changed_paths(old, new)
        turn(tree, old, self._changed)

    def facts(self):
        """What the data is, for the report: bytes and files of each day."""
        found = []
        for folder in self.folders:
            files = compare.regular_files(folder)
            found.append({"bytes": sum(files.values()), "files": len(files)})
        return found


def changed_paths(old, new):
    """What makes a tree as `new` one as `old`: paths to bring over from `old`, each with whether more than times differs."""
    whole = {}
    for line in compare.differences(old, new, root_too=False, most=10**9):
        path, what = line.rsplit(": ", 1)
        path = os.fsencode(path)
        whole[path] = whole.get(path, False) or not what.startswith("time ")
    # A folder whose times alone differ needs nothing; what is in it is named itself.
    return sorted((path, more) for path, more in whole.items() if not both_folders(old, new, path))


def both_folders(old, new, path):
    pair = [os.path.join(os.fsencode(root), path) for root in (old, new)]
    return all(os.path.isdir(full) and not os.path.islink(full) for full in pair)


def turn(tree, old, changes):
    """Makes each path of `changes` in `tree` what it is in `old`."""
    tree, old = os.fsencode(tree), os.fsencode(old)
    for path, more in changes:
        target, source = os.path.join(tree, path), os.path.join(old, path)
        if more:
            bring(source, target)
        if os.path.lexists(source) and not os.path.isdir(source):
            if more and os.geteuid() == 0:
                status = os.lstat(source)
                os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
            shutil.copystat(source, target, follow_symlinks=False)


def bring(source, target):
    """Has `target` be a copy of `source`, or not be where that is not."""
    if os.path.isdir(target) and not os.path.islink(target):
        shutil.rmtree(target)
    elif os.path.lexists(target):
        os.unlink(target)
    if os.path.isdir(source) and not os.path.islink(source):
        shutil.copytree(source, target, symlinks=True)
    elif os.path.lexists(source):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        status = os.lstat(source)
        if status.st_blocks * 512 < status.st_size and not os.path.islink(source):
            # It has holes, which this copies as holes.
            subprocess.run(["cp", "--sparse=auto", source, target], check=True)
        else:
            shutil.copyfile(source, target, follow_symlinks=False)


def middling_file(folder, below):
    """The greatest file that is at most a tenth of the whole: one as a person would restore alone."""
    files = compare.regular_files(folder / below)
    limit = sum(files.values()) / 10
    size, path = max((size, path) for path, size in files.items() if size <= limit)
    return os.path.join(below, os.fsdecode(path))
