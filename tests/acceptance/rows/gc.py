"""Two of three snapshots deleted, no grace, gc: what is left against a repository that only ever had the third."""

import random

from harness import compare
from harness.environment import WORK, fresh, megabytes, remove
from harness.snaphold import DONE, Repository

TOLERANCE = 0.10
FILES = 3000


def measure(row):
    base = fresh(WORK / "gc")
    source = base / "source"
    repository = Repository.create(base / "repo")
    snapshots = []
    for state in range(3):
        build(source, state)
        if state == 0:
            repository.add_instance("shop", source)
        snapshots.append(repository.take("shop")[1]["id"])
    alone = Repository.create(base / "alone")
    alone.add_instance("shop", source)
    alone.take("shop")

    before, ideal_left = repository.sizes(), alone.sizes()
    for snapshot in snapshots[:2]:
        repository.delete(snapshot)
    planned = repository.collect("--dry-run").last.get("bytes_freed")
    row.check(f"gc --dry-run says it would free {megabytes(planned)}, and frees nothing",
              repository.sizes().packs == before.packs)
    answer = repository.collect()
    after = repository.sizes()
    freed, ideal = before.objects - after.objects, before.objects - ideal_left.objects
    row.check(f"of {megabytes(before.objects)} freed {megabytes(freed)} in {answer.run.seconds:.1f} s; only they held "
              f"{megabytes(ideal)}: {freed / ideal:.1%} of the ideal", abs(freed - ideal) <= TOLERANCE * ideal)
    reported = answer.last["bytes_freed"]
    row.check(f"reported freed {megabytes(reported)}, planned {megabytes(planned)}",
              abs(reported - freed) <= 0.05 * freed and abs(planned - freed) <= 0.10 * freed)
    repository.expect_sound()
    target = base / "out"
    restored = repository.restore(snapshots[2], target)
    row.equal("the third restored", compare.differences(source, target) if restored.code == DONE else [restored.problem()])
    listed = [record["id"] for record in repository.listed() if record["status"] == "completed"]
    row.check(f"{len(listed)} snapshot listed", listed == snapshots[2:])
    remove(base)


def build(source, state):
    """State 0, 1, 2: a third of the files stays through all, the others come and go, so that packs hold both."""
    fresh(source)
    for number in range(FILES):
        generation = 0 if number % 3 == 0 else state
        choose = random.Random(f"{number}-{generation}")
        # A name of its own for each generation: what came and went is no base for a delta.
        (source / f"{number:04d}-{generation}").write_bytes(choose.randbytes(choose.randrange(2_000, 60_000)))
