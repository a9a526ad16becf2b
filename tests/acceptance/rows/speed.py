"""First snapshot and restore of a kernel tree, in turns with restic and borg, each time into a new repository."""

import statistics

from harness import data_kernel
from harness.environment import WORK, fresh, remove
from harness.measure import settle, warm
from harness.snaphold import Repository, Unexpected
from harness.tools import Borg, Restic

ROUNDS = 3


def measure(row):
    tree = data_kernel.prepare()[0][1]
    contenders = {"snaphold": snaphold, "restic": peer(Restic), "borg": peer(Borg)}
    seconds = {name: [] for name in contenders}
    warm(tree)
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            seconds[name].append(contender(tree))
    for at, what in enumerate(("first snapshot", "restore")):
        median = {name: statistics.median(times[at] for times in runs) for name, runs in seconds.items()}
        each = {name: "/".join(f"{times[at]:.1f}" for times in runs) for name, runs in seconds.items()}
        row.check(f"{what}: snaphold {median['snaphold']:.1f} s ({each['snaphold']}), restic {median['restic']:.1f} s "
                  f"({each['restic']}), borg {median['borg']:.1f} s ({each['borg']}); "
                  f"restic / snaphold {median['restic'] / median['snaphold']:.2f}",
                  median["snaphold"] <= median["restic"])


def snaphold(tree):
    """One turn: seconds of the snapshot and of the restore."""
    repository = Repository.create(WORK / "speed")
    repository.add_instance("linux", tree)
    settle()
    taken, snapshot = repository.take("linux")
    settle()
    target = WORK / "speed-restored"
    remove(target)
    restored = repository.restore(snapshot["id"], target)
    if restored.code != 0:
        raise Unexpected(restored.problem())
    remove(target)
    remove(repository.base)
    return taken.run.seconds, restored.run.seconds


def peer(kind):
    """The same turn of another tool."""
    def turn(tree):
        other = kind(WORK / "speed")
        other.initialise()
        taken, _ = other.snapshot(tree, "first")
        target = fresh(WORK / "speed-restored")
        settle()
        restored = other.restore("first", target)
        remove(target)
        remove(other.folder)
        return taken.seconds, restored.seconds
    return turn
