"""The program under test, as a script drives it. Every word of its command line that the rows use stands here."""

import json
import os
import shutil

from .compare import tree_bytes, allocated_bytes
from .environment import BINARY, fresh
from .measure import run

PASSPHRASE = "acceptance passphrase"
# The folders of a repository that hold its objects; whatever else is there is derived, a lock or a convenience.
OBJECT_FOLDERS = ["config", "keys", "packs", "snapshots", "ledger", "writers", "condemned"]

DONE, FAILED, USAGE, NOT_FOUND, REFUSED, DAMAGED, BUSY = range(7)


class Unexpected(Exception):
    """The program did what its contract forbids: the row fails with this text."""


def parse(stdout):
    """The JSON objects on standard output; anything else there breaks the contract."""
    try:
        return [json.loads(stdout)]
    except ValueError:
        pass
    try:
        return [json.loads(line) for line in stdout.splitlines() if line.strip()]
    except ValueError as error:
        raise Unexpected(f"standard output with --json is not JSON: {stdout.strip()[:200]!r}") from error


class Answer:
    """What a command with `--json` gave back."""

    def __init__(self, words, done):
        self.words, self.run = words, done
        self.objects = parse(done.stdout)
        self.last = self.objects[-1] if self.objects else {}

    @property
    def code(self):
        return self.run.code

    @property
    def text(self):
        """Everything that it said, for messages and for looking whether a name is in it."""
        return f"{self.run.stdout}\n{self.run.stderr}"

    def problem(self):
        """One line about how it failed."""
        return f"`snaphold {' '.join(map(str, self.words))}` exited {self.code}: {self.text.strip()[-300:]}"


class Repository:
    """A repository in `base/repository`; what the program keeps outside of it goes to `base/state`."""

    def __init__(self, base, passphrase=PASSPHRASE):
        self.base = base
        self.path = base / "repository"
        self.state = base / "state"
        self.passphrase = passphrase

    @classmethod
    def create(cls, base):
        """A new, empty, encrypted repository."""
        repository = cls(fresh(base))
        repository.state.mkdir()
        repository.must("init")
        return repository

    def copy(self, base):
        """The same repository at another place: times and all, as `cp -a` would."""
        fresh(base)
        shutil.copytree(self.base, base, symlinks=True, dirs_exist_ok=True)
        return Repository(base, self.passphrase)

    def environment(self):
        """The variables of the contract, and a home of its own so that no run sees another's state."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SNAPHOLD_", "XDG_"))}
        return dict(inherited, SNAPHOLD_REPO=str(self.path), SNAPHOLD_PASSPHRASE=self.passphrase, HOME=str(self.state))

    def command(self, *words):
        """The whole command line."""
        return [str(BINARY), *map(str, words)]

    def plain(self, *words, **options):
        """Runs a command as a person would see it."""
        return run(self.command(*words), self.environment(), **options)

    def ask(self, *words, prefix=(), **options):
        """Runs a command with `--json`; the row judges the exit code."""
        return Answer(words, run([*prefix, *self.command(*words, "--json")], self.environment(), **options))

    def must(self, *words, **options):
        """Runs a command that has no right to fail."""
        answer = self.ask(*words, **options)
        if answer.code != DONE:
            raise Unexpected(answer.problem())
        return answer

    # The commands, each in one place.

    def add_instance(self, name, source):
        self.must("instance", "add", name, "--source", f"files:{source}")

    def take(self, name):
        """Takes a snapshot: `(answer, the record of the snapshot)`."""
        answer = self.must("snapshot", "take", name)
        missing = SNAPSHOT_KEYS - answer.last.keys()
        if missing:
            raise Unexpected(f"`snapshot take --json` lacks {', '.join(sorted(missing))}")
        return answer, answer.last

    def load(self, name, file):
        return self.must("load", name, file)

    def listed(self, *filters):
        """The records of all snapshots that are listed."""
        return self.must("snapshot", "list", *filters).last["snapshots"]

    def delete(self, snapshot):
        return self.must("snapshot", "delete", snapshot, "--confirm", "DELETE")

    def restore(self, snapshot, target, *more):
        return self.ask("restore", snapshot, "--to", target, *more)

    def restore_in_place(self, snapshot, **options):
        return self.ask("restore", snapshot, "--confirm", "RESTORE", **options)

    def export(self, snapshot, form, output, *more):
        return self.must("export", snapshot, "--format", form, "--output", output, *more)

    def collect(self, *more):
        """Garbage collection with no grace time."""
        return self.must("gc", "--grace", "0d", *more)

    def verify(self):
        return self.ask("verify", "--read-data")

    def expect_sound(self):
        """Verifies everything, and fails the row if anything is wrong."""
        answer = self.verify()
        if answer.code != DONE or answer.last.get("ok") is not True:
            raise Unexpected(answer.problem())
        return answer

    # What is seen from outside.

    def objects(self):
        """Every stored object: its path below the repository to its file."""
        found = {}
        for folder in OBJECT_FOLDERS:
            top = self.path / folder
            files = [top] if top.is_file() else sorted(path for path in top.rglob("*") if path.is_file())
            found.update({str(path.relative_to(self.path)): path for path in files})
        return found

    def index_folders(self):
        """Folders that hold the derived index: RocksDB keeps a file `CURRENT` in each."""
        return sorted(path.parent for path in self.base.rglob("CURRENT") if path.is_file())

    def sizes(self):
        """Bytes of the repository: all of it, without the index, and the packs alone; and as du counts all of it."""
        index = sum(tree_bytes(folder) for folder in self.index_folders() if self.path in folder.parents)
        packs = tree_bytes(self.path / "packs") if (self.path / "packs").exists() else 0
        whole = tree_bytes(self.path)
        return Sizes(whole, whole - index, packs, allocated_bytes(self.path))


class Sizes:
    """Bytes that a repository takes, counted four ways."""

    def __init__(self, whole, objects, packs, allocated):
        self.whole, self.objects, self.packs, self.allocated = whole, objects, packs, allocated


SNAPSHOT_KEYS = {
    "id", "instance", "type", "status", "created_at", "expires_at", "files", "bytes_total", "bytes_read", "bytes_new",
    "bytes_stored", "chunks_new", "chunks_delta",
}
