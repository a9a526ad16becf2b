"""Day 2 restored in place over day 1: what is written, counted by the program and by strace; then the undo."""

import collections
import re

from harness import compare, data_postgres
from harness.environment import WORK, copy_tree, megabytes, remove
from harness.snaphold import Repository, Unexpected

WRITES = "write,pwrite64,writev,pwritev,pwritev2,copy_file_range,sendfile,splice,ftruncate,truncate,fallocate,mmap"
# `pwrite64(7</folder/file>, "…"..., 8192, 0) = 8192`, also where the call was resumed on another line.
CALL = re.compile(rb"^\d+ +(\w+)\((?:\d+)<([^>]*)>")
RESULT = re.compile(rb"= (\d+)$")
RESUMED = re.compile(rb"^(\d+) +<\.\.\. (\w+) resumed>")


def measure(row):
    days = data_postgres.prepare()
    repository = Repository.create(WORK / "inplace")
    current = WORK / "inplace-instance"
    snapshots = []
    for day in (days[1], days[2]):
        copy_tree(day, current)
        if not snapshots:
            repository.add_instance("db", current)
        snapshots.append(repository.take("db")[1]["id"])
    copy_tree(days[1], current)
    inodes = file_identities(current)
    expected = bytes_that_differ(days[1], days[2])

    plan = repository.ask("restore", snapshots[1], "--plan")
    row.check(f"--plan exits {plan.code}: {short(plan.last)}", plan.code == 0)
    row.equal("after --plan, day 1", compare.differences(days[1], current))
    log = WORK / "inplace.strace"
    tracer = ["strace", "-f", "-y", "-s", "0", "--seccomp-bpf", "-e", f"trace={WRITES}", "-e", "signal=none", "-o", log]
    answer = repository.restore_in_place(snapshots[1], prefix=tracer)
    if answer.code != 0:
        raise Unexpected(answer.problem())
    row.equal("restored over day 1, day 2", compare.differences(days[2], current))
    written, mapped = writes_below(log, current, repository.base)
    reported = answer.last["bytes_written"]
    row.check(f"differ: {megabytes(expected)} of {megabytes(compare.tree_bytes(days[2]))}; reported written {megabytes(reported)}, "
              f"unchanged {megabytes(answer.last['bytes_unchanged'])}; seen from outside {megabytes(written)}",
              expected * 0.5 <= written <= expected * 1.05 + 1_000_000 and abs(written - reported) <= 0.02 * written + 100_000)
    row.check(f"{mapped} files of the target written through memory maps, which strace would not see", mapped == 0)
    kept = file_identities(current)
    row.note(f"{sum(kept.get(path) == identity for path, identity in inodes.items())} of {len(inodes)} files kept inode and times")

    undo = repository.restore_in_place(answer.last["safety_snapshot"])
    if undo.code != 0:
        raise Unexpected(undo.problem())
    row.equal(f"undone ({megabytes(undo.last['bytes_written'])} written), day 1", compare.differences(days[1], current))
    remove(repository.base), remove(current), remove(log)


def short(value):
    """A JSON value in few characters: lists by their length."""
    flat = {key: len(part) if isinstance(part, (list, dict)) else part for key, part in value.items()}
    return str(flat)[:300]


def file_identities(root):
    """Path to inode and times of every file."""
    return {path: (status.st_ino, status.st_mtime_ns, status.st_ctime_ns) for path, status in compare.walk(root)}


def bytes_that_differ(before, after):
    """Bytes of the 8 KiB pages of all files that are not as before: the least that a page-wise restore writes."""
    old = compare.regular_files(before)
    total = 0
    for path, size in compare.regular_files(after).items():
        name = path.decode()
        total += min(size, compare.PAGE * compare.file_pages_changed(before / name, after / name)) if path in old else size
    return total


def writes_below(log, target, repository):
    """Bytes written to files outside the repository, of those that a restore has to do with, and files mapped for writing.

    Whatever stands beside the target counts too: a staged file is a write like any other.
    """
    beside, inside = bytes(target.parent) + b"/", bytes(repository) + b"/"
    total, mapped, pending = 0, set(), collections.defaultdict(bytes)
    with open(log, "rb") as lines:
        for line in lines:
            line = line.rstrip()
            resumed = RESUMED.match(line)
            if resumed:
                head = pending.pop(resumed[1], b"")
            elif line.endswith(b"<unfinished ...>"):
                pending[line.split(b" ", 1)[0]] = line
                continue
            else:
                head = line
            if b" mmap(" in head:
                if b"MAP_SHARED" in head and b"PROT_WRITE" in head and beside in head and inside not in head:
                    mapped.add(head)
                continue
            call, result = CALL.match(head), RESULT.search(line)
            if not call or not result or call[1] in (b"ftruncate", b"truncate", b"fallocate"):
                continue
            # copy_file_range names its source first.
            path = re.findall(rb"<([^>]*)>", head)[-1] if call[1] == b"copy_file_range" else call[2]
            if path.startswith(beside) and not path.startswith(inside):
                total += int(result[1])
    return total, len(mapped)
