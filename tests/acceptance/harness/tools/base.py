"""What every tool can do, and how its runs are made."""

import os
import pathlib
import shutil

from ..compare import tree_bytes
from ..environment import fresh
from ..measure import run, settle

PASSWORD = "acceptance"
# Where `benches/peers/setup` puts what Debian does not have.
FOLDER = pathlib.Path(os.environ.get("PEERS_BIN", pathlib.Path.home() / ".cache/snaphold/peers/bin"))


class Failed(Exception):
    """A tool did not do what it was told to; the text says what it said."""


class Tool:
    """A repository of one tool, in a folder of its own, with whatever the tool keeps elsewhere beside it.

    A subclass says how its commands are spelled. Where nothing else is said a method runs one command to its end and
    gives its `Run`; a command that fails raises `Failed`. Snapshots go by tags that the caller chooses.
    """

    name = ""
    # Whether a restore over older data also removes what the snapshot does not have.
    removes_more = False

    def __init__(self, folder, sparse=False):
        """An empty folder `folder`, and nothing in it yet: `initialise` makes the repository.

        `sparse`: the data has holes worth keeping, so ask for them in a restore where the tool must be asked.
        """
        self.folder = fresh(folder)
        self.repository = folder / "repository"
        self.state = folder / "state"
        self.state.mkdir()
        self.sparse = sparse
        self.ids = {}
        inherited = {name: value for name, value in os.environ.items()
                     if not name.startswith(("SNAPHOLD_", "XDG_", "RESTIC_", "RUSTIC_", "BORG_", "KOPIA_", "VYKAR_"))}
        self.environment = dict(inherited, HOME=str(self.state), **self.variables())

    @classmethod
    def program(cls):
        """Its path: what `NAME_BIN` says, else in the peers' folder, else on the PATH. None where there is none."""
        given = os.environ.get(f"{cls.name.upper()}_BIN")
        if given:
            return given if os.access(given, os.X_OK) else None
        beside = FOLDER / cls.name
        return str(beside) if os.access(beside, os.X_OK) else shutil.which(cls.name)

    @classmethod
    def version(cls):
        """What it says about its version, in one line."""
        done = run([cls.program(), *cls.version_words])
        return (done.stdout or done.stderr).strip().splitlines()[0]

    version_words = ["--version"]

    def must(self, *words, cwd=None):
        """Runs the program; raises where it fails."""
        done = run([self.program(), *map(str, words)], self.environment, cwd=cwd)
        if done.code != 0:
            raise Failed(f"`{self.name} {' '.join(map(str, words))}` exited {done.code}: {(done.stderr or done.stdout).strip()[-400:]}")
        return done

    # What a subclass spells out.

    def variables(self):
        """The variables that its commands need: where the repository is, and the password."""
        raise NotImplementedError

    def initialise(self):
        """Makes the repository."""
        raise NotImplementedError

    def take(self, source, tag):
        """Takes a snapshot of the folder `source`."""
        raise NotImplementedError

    def list(self):
        """Lists the snapshots."""
        raise NotImplementedError

    def restore(self, tag, target):
        """Restores all of a snapshot into the empty folder `target`."""
        raise NotImplementedError

    def restore_over(self, tag, target):
        """Restores all of a snapshot over older data in `target`."""
        return self.restore(tag, target)

    def restore_one(self, tag, path, target):
        """Restores one file below the empty folder `target`, at whatever depth the tool puts it."""
        raise NotImplementedError

    def delete(self, tag):
        """Deletes a snapshot and frees the space that only it needed."""
        raise NotImplementedError

    def verify(self):
        """Reads and checks everything that is stored."""
        raise NotImplementedError

    # What is done around a run, untimed.

    def before_take(self, source):
        """What a first snapshot of a folder needs once."""

    def before_restore_over(self, target):
        """What a restore over a folder needs once."""

    def size(self):
        """Bytes of the repository, without what is derived from it: caches elsewhere, an index that can be rebuilt."""
        return tree_bytes(self.repository)

    def derived(self):
        """Bytes that were left out of `size`."""
        return tree_bytes(self.state)

    def snapshot(self, folder, tag):
        """Takes a snapshot: how the run went, and the bytes it added."""
        self.before_take(folder)
        before = self.size()
        settle()
        done = self.take(folder, tag)
        settle()
        return done, self.size() - before
