"""The tools that people use today, as Debian ships them, with encryption on and their usual compression."""

import os

from .compare import tree_bytes
from .environment import fresh, remove
from .measure import run, settle


class Peer:
    """A repository of another tool, in a folder of its own."""

    def __init__(self, folder):
        self.repository = fresh(folder) / "repository"
        self.state = folder / "state"
        self.state.mkdir()
        self.environment = dict(os.environ, HOME=str(self.state), **self.secrets())
        self.must(self.initialise())

    def must(self, command, **options):
        """Runs a command that has no right to fail."""
        done = run(command, self.environment, **options)
        if done.code != 0:
            raise RuntimeError(f"{command[0]} failed with {done.code}: {done.stderr.strip()[-500:]}")
        return done

    def size(self):
        """Bytes of the repository, without the caches that it keeps elsewhere."""
        return tree_bytes(self.repository)

    def snapshot(self, folder, tag):
        """Takes a snapshot: how the run went, and the bytes it added."""
        before = self.size()
        settle()
        done = self.must(self.take(tag), cwd=folder)
        settle()
        return done, self.size() - before

    def restore(self, tag, target):
        """Restores into a new folder: how the run went."""
        fresh(target)
        settle()
        done = self.must(self.bring_back(tag, target), cwd=target)
        remove(target)
        return done


class Restic(Peer):
    """restic, `--compression auto`."""

    def secrets(self):
        return {"RESTIC_PASSWORD": "acceptance", "RESTIC_REPOSITORY": str(self.repository)}

    def initialise(self):
        return ["restic", "init", "--repository-version", "2"]

    def take(self, tag):
        return ["restic", "-q", "backup", "--compression", "auto", "--tag", tag, "."]

    def bring_back(self, tag, target):
        return ["restic", "-q", "restore", "latest", "--tag", tag, "--target", target]


class Borg(Peer):
    """borg, `repokey` and `zstd,3`."""

    def secrets(self):
        return {"BORG_PASSPHRASE": "acceptance", "BORG_REPO": str(self.repository)}

    def initialise(self):
        return ["borg", "init", "-e", "repokey"]

    def take(self, tag):
        return ["borg", "create", "-C", "zstd,3", f"::{tag}", "."]

    def bring_back(self, tag, target):
        return ["borg", "extract", f"::{tag}"]
