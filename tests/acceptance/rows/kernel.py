"""Three kernel trees under one instance: sizes, memory, difference, restore, export. restic and borg beside it."""

import os
import subprocess

from harness import compare, data_kernel
from harness.environment import WORK, fresh, megabytes, remove, standing_at
from harness.snaphold import Repository, Unexpected
from harness.tools import Borg, Restic

STORED_LIMIT = 260_000_000
MEMORY_LIMIT = 512 * 1024 * 1024


def measure(row):
    trees = data_kernel.prepare()
    row.note(f"{len(trees)} versions: {', '.join(version for version, _ in trees)}; "
             f"{len(compare.regular_files(trees[0][1]))} files, {megabytes(compare.tree_bytes(trees[0][1]))} the first")
    row.check(f"{len(trees)} of 3 versions to be had", len(trees) == 3)
    repository = Repository.create(WORK / "kernel")
    peaks = {}
    snapshots = [take(row, repository, peaks, path) for _, path in trees]

    sizes = repository.sizes()
    row.check(f"the {len(trees)} stored: {megabytes(sizes.whole)} the whole folder, {megabytes(sizes.objects)} without "
              f"the index, {megabytes(sizes.packs)} packs, {megabytes(sizes.allocated)} by du; limit 260 MB",
              sizes.whole <= STORED_LIMIT)
    if len(trees) > 1:
        difference(row, repository, peaks, snapshots, trees)
    restore(row, repository, peaks, snapshots[1]["id"], trees[1][1])
    export(row, repository, peaks, snapshots[1]["id"], trees[1][1])
    worst = max(peaks, key=peaks.get)
    row.check(f"peak memory {peaks[worst] / 2**20:.0f} MiB ({worst}); limit 512 MiB", peaks[worst] <= MEMORY_LIMIT)
    remove(repository.base)
    for peer in (Restic, Borg):
        beside(row, peer, trees)


def take(row, repository, peaks, path):
    """The snapshot of one version, at the path that all of them share."""
    with standing_at(path, path.parent / "current") as current:
        if path.name == "v1":
            repository.add_instance("linux", current)
        answer, snapshot = repository.take("linux")
    peaks[f"snapshot of {path.name}"] = answer.run.peak_bytes
    row.note(f"snapshot of {path.name}: {answer.run.seconds:.1f} s, read {megabytes(snapshot['bytes_read'])}, "
             f"stored {megabytes(snapshot['bytes_stored'])}, {snapshot['chunks_new']} chunks new, {snapshot['chunks_delta']} as deltas")
    return snapshot


def changed_paths(before, after):
    """The regular files that an honest `snapshot diff` names."""
    old, new = compare.regular_files(before), compare.regular_files(after)
    before, after = os.fsencode(before), os.fsencode(after)
    changed = {path for path in old.keys() & new.keys()
               if old[path] != new[path] or not compare.same_content(os.path.join(before, path), os.path.join(after, path))}
    return {os.fsdecode(path) for path in changed | (old.keys() ^ new.keys())}


def texts(value):
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value if isinstance(value, list) else value.values():
            yield from texts(part)


def difference(row, repository, peaks, snapshots, trees):
    """`snapshot diff` against what a comparison of the trees says, by the names of files."""
    answer = repository.must("snapshot", "diff", snapshots[0]["id"], snapshots[1]["id"])
    peaks["snapshot diff"] = answer.run.peak_bytes
    files = {os.fsdecode(path) for _, tree in trees[:2] for path in compare.regular_files(tree)}
    named = {text.removeprefix("./").lstrip("/") for part in answer.objects for text in texts(part)} & files
    expected = changed_paths(trees[0][1], trees[1][1])
    # Files whose content is equal are named where their times differ, so more may be named than changed in content.
    row.check(f"snapshot diff in {answer.run.seconds:.1f} s: names {len(named)} files, "
              f"{len(expected & named)} of the {len(expected)} that differ in content", expected <= named)


def restore(row, repository, peaks, snapshot, expected):
    """The second version, restored and compared."""
    target = WORK / "kernel-restored"
    remove(target)
    answer = repository.restore(snapshot, target)
    if answer.code != 0:
        raise Unexpected(answer.problem())
    peaks["restore"] = answer.run.peak_bytes
    row.note(f"restore: {answer.run.seconds:.1f} s")
    row.equal("restored tree", compare.differences(expected, target))
    remove(target)


def export(row, repository, peaks, snapshot, expected):
    """The second version as `.tar.gz`, unpacked by tar and compared."""
    archive, target = WORK / "kernel.tar.gz", fresh(WORK / "kernel-exported")
    remove(archive)
    answer = repository.export(snapshot, "tar.gz", archive)
    peaks["export"] = answer.run.peak_bytes
    row.note(f"export .tar.gz: {answer.run.seconds:.1f} s, {megabytes(archive.stat().st_size)}")
    subprocess.run(["tar", "-xpzf", archive, "-C", target], check=True)
    row.equal("exported tree", compare.differences(expected, target, root_too=False))
    remove(target)
    remove(archive)


def beside(row, kind, trees):
    """What another tool needs for the same."""
    peer = kind(WORK / "peer")
    peer.initialise()
    for number, (_, path) in enumerate(trees):
        with standing_at(path, path.parent / "current") as current:
            done, added = peer.snapshot(current, f"n{number}")
        row.note(f"{kind.name}: {path.name} in {done.seconds:.1f} s, adds {megabytes(added)}, peak {done.peak_bytes / 2**20:.0f} MiB")
    row.note(f"{kind.name}: all {megabytes(peer.size())}")
    remove(WORK / "peer")
