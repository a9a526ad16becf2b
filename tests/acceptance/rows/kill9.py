"""kill −9 at random moments of snapshot, gc and restore: what was acknowledged is there, and the repository is sound."""

import os
import random
import signal
import subprocess
import time

from harness import compare, made
from harness.environment import WORK, copy_tree, fresh, remove
from harness.snaphold import DONE, Repository, Unexpected, parse

KILLS = int(os.environ.get("ACCEPTANCE_KILLS", "25"))
NEW_BYTES = 60_000_000
OPERATIONS = ["snapshot", "gc", "restore", "restore in place"]


def measure(row):
    seed = int(os.environ.get("ACCEPTANCE_SEED", time.time_ns() % 1_000_000))
    store = Store(fresh(WORK / "kill9"), random.Random(seed))
    killed = dict.fromkeys(OPERATIONS, 0)
    finished = dict.fromkeys(OPERATIONS, 0)
    while sum(killed.values()) < KILLS:
        operation = OPERATIONS[sum(killed.values()) % len(OPERATIONS)]
        if store.attempt(operation):
            killed[operation] += 1
        else:
            finished[operation] += 1
            if finished[operation] > 10 * KILLS:
                raise Unexpected(f"{operation} always ends before it can be killed")
        store.check_after(operation)
    row.check(f"seed {seed}: {sum(killed.values())} kills ({', '.join(f'{count} in {name}' for name, count in killed.items())}); "
              f"sound after each; {store.acknowledged} snapshots acknowledged, {store.deleted} deleted, none of the rest lost",
              True)
    wrong = store.restore_all()
    row.check(f"{len(store.trees)} snapshots restore equal {wrong[:2] or ''}", not wrong)
    row.check(f"restores that were killed: {store.half_restored} left a folder that looks whole", store.half_restored == 0)
    remove(store.base)


class Store:
    """A repository under attack, and what it has promised."""

    def __init__(self, base, choose):
        self.base, self.choose = base, choose
        self.repository = Repository.create(base / "repo")
        self.source = base / "source"
        self.trees = {}
        self.acknowledged = self.deleted = self.half_restored = 0
        self.seconds = dict.fromkeys(OPERATIONS)
        made.small_tree(self.source, "kill9")
        self.repository.add_instance("shop", self.source)
        self.keep_one_more()
        for operation in OPERATIONS:
            # Once to the end, to know how long it takes.
            self.attempt(operation)

    def attempt(self, operation):
        """Starts an operation and kills it at a random moment; whether it was killed before its end."""
        words = self.prepare(operation)
        began = time.monotonic()
        process = subprocess.Popen(
            self.repository.command(*words, "--json"), env=self.repository.environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        usual = self.seconds[operation]
        try:
            stdout, _ = process.communicate(timeout=usual and self.choose.uniform(0, usual))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            stdout, _ = process.communicate()
        if process.returncode == -signal.SIGKILL:
            # What was acknowledged on standard output before the kill counts as promised.
            self.note_acknowledged(operation, stdout)
            self.look_at_target(operation)
            return True
        if process.returncode != DONE:
            raise Unexpected(f"{operation} after {self.acknowledged} snapshots exits {process.returncode}: {stdout[-300:]}")
        self.seconds[operation] = time.monotonic() - began
        self.finish(operation, stdout)
        return False

    def prepare(self, operation):
        """Brings about something worth doing, and gives the command that does it."""
        if operation == "snapshot":
            self.work_a_day()
            return ["snapshot", "take", "shop"]
        if operation == "gc":
            self.keep_one_more()
            while len(self.trees) > 2:
                self.drop(self.choose.choice(list(self.trees)[:-1]))
            return ["gc", "--grace", "0d"]
        self.wanted = self.choose.choice(list(self.trees))
        if operation == "restore":
            self.target = fresh(self.base / "restore") / "out"
            return ["restore", self.wanted, "--to", self.target]
        return ["restore", self.wanted, "--confirm", "RESTORE"]

    def work_a_day(self):
        """Changes here and there, and much that is new."""
        made.change(self.source, self.choose.random())
        (self.source / f"big-{self.choose.randrange(3)}").write_bytes(self.choose.randbytes(NEW_BYTES))

    def keep_one_more(self):
        """A snapshot that nothing interrupts."""
        self.work_a_day()
        self.finish("snapshot", self.repository.take("shop")[0].run.stdout)

    def drop(self, snapshot):
        self.repository.delete(snapshot)
        remove(self.trees.pop(snapshot))
        self.deleted += 1

    def note_acknowledged(self, operation, stdout):
        """A killed `snapshot take` that had already said `completed` has promised."""
        if operation == "snapshot" and '"completed"' in stdout:
            self.finish(operation, stdout)

    def finish(self, operation, stdout):
        """Notes what an operation that ended has promised."""
        if operation == "snapshot":
            snapshot = parse(stdout)[-1]["id"]
            self.trees[snapshot] = self.base / f"as-{snapshot}"
            copy_tree(self.source, self.trees[snapshot])
            self.acknowledged += 1
        elif operation == "restore":
            self.must_equal(self.target)
        elif operation == "restore in place":
            self.must_equal(self.source)

    def must_equal(self, target):
        found = compare.differences(self.trees[self.wanted], target)
        if found:
            raise Unexpected(f"restore of {self.wanted} exits 0 but differs: {found[0]}")

    def look_at_target(self, operation):
        """A folder under its final name must be whole."""
        if operation == "restore" and self.target.exists() and compare.differences(self.trees[self.wanted], self.target):
            self.half_restored += 1

    def check_after(self, operation):
        """Sound, nothing lost; and an instance whose restore was killed comes back by restoring again."""
        self.repository.expect_sound()
        listed = {record["id"] for record in self.repository.listed() if record["status"] == "completed"}
        lost = self.trees.keys() - listed
        if lost:
            raise Unexpected(f"after a killed {operation} these are not listed: {', '.join(lost)}")
        if operation == "restore in place":
            answer = self.repository.restore_in_place(self.wanted)
            if answer.code != DONE:
                raise Unexpected(answer.problem())
            self.must_equal(self.source)

    def restore_all(self):
        """What is wrong with any restore of what was promised."""
        found = []
        for snapshot, tree in self.trees.items():
            target = self.base / "out"
            remove(target)
            answer = self.repository.restore(snapshot, target)
            found += [answer.problem()] if answer.code != DONE else compare.differences(tree, target)
        return found
