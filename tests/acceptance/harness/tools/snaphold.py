"""Snaphold, as its peers are driven: a passphrase, and the defaults for everything else."""

from ..compare import tree_bytes
from ..environment import BINARY
from ..snaphold import Repository, parse
from .base import PASSWORD, Tool


class Snaphold(Tool):
    name = "snaphold"
    removes_more = True

    def __init__(self, folder, sparse=False):
        super().__init__(folder, sparse)
        self.driver = Repository(self.folder, PASSWORD)

    def variables(self):
        return {"SNAPHOLD_REPO": str(self.repository), "SNAPHOLD_PASSPHRASE": PASSWORD}

    @classmethod
    def program(cls):
        return str(BINARY) if BINARY.exists() else None

    def initialise(self):
        return self.must("init")

    def before_take(self, source):
        if not self.ids:
            self.must("instance", "add", "work", "--source", f"files:{source}")

    def take(self, source, tag):
        done = self.must("snapshot", "take", "work", "--json")
        self.ids[tag] = parse(done.stdout)[-1]["id"]
        return done

    def list(self):
        return self.must("snapshot", "list")

    def restore(self, tag, target):
        return self.must("restore", self.ids[tag], "--to", target)

    def before_restore_over(self, target):
        self.must("instance", "add", "over", "--source", f"files:{target}")

    def restore_over(self, tag, target):
        # Without the snapshot of what is overwritten, for no peer takes one.
        return self.must("restore", self.ids[tag], "--to", "over", "--no-safety", "--confirm", "RESTORE")

    def restore_one(self, tag, path, target):
        return self.must("restore", self.ids[tag], "--path", path, "--to", target)

    def delete(self, tag):
        return self.must("snapshot", "delete", self.ids[tag], "--confirm", "DELETE").then(self.must("gc", "--grace", "0d"))

    def verify(self):
        return self.must("verify", "--read-data")

    def size(self):
        return self.driver.sizes().objects

    def derived(self):
        return tree_bytes(self.repository) - self.size() + tree_bytes(self.state)
