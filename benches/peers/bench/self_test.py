"""The bench held to account: a tool that restores wrong, fails or cheats must be seen to."""

import contextlib
import io
import os
import pathlib
import shutil
import tempfile

from harness import compare, made
from harness.environment import copy_tree, fresh
from harness.tools import Failed, Tool

from . import goals, report, results, settings, turn
from .works import Work
from .works.many import Many, move


class Copies(Tool):
    """A tool as simple as can be: a snapshot is a copy. Its subclasses are wrong in one way each."""

    name = "copies"
    removes_more = True

    @classmethod
    def program(cls):
        return "/bin/cp"

    def variables(self):
        return {}

    def initialise(self):
        self.repository.mkdir()
        return self.must("--version")

    def take(self, source, tag):
        return self.must("-a", source, self.repository / tag)

    def list(self):
        return self.must("--version")

    def restore(self, tag, target):
        fresh(target).rmdir()
        return self.must("-a", self.repository / tag, target)

    def restore_one(self, tag, path, target):
        return self.must("-a", self.repository / tag / path, target)

    def delete(self, tag):
        shutil.rmtree(self.repository / tag)
        return self.must("--version")

    def verify(self):
        return self.must("--version")


def spoils(step, act):
    """The tool, but after `step` the function `act` has its way with what was restored."""
    def spoiled(self, tag, *rest):
        done = getattr(Copies, step)(self, tag, *rest)
        act(rest[-1])
        return done
    return type("Spoiled", (Copies,), {step: spoiled})


def flip(name):
    """Changes a byte of a file, times kept."""
    def act(target):
        path = target / name
        status = path.stat()
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return act


class Small(Work):
    """Two days of a small tree."""

    name = "small"
    title = "a small tree"
    one = "many/007.txt"
    first_too = True
    metadata = True

    def make(self):
        folders = [self.home / "day0", self.home / "day1"]
        made.small_tree(folders[0], "bench")
        (folders[0] / "fifo").unlink()  # no work has one
        copy_tree(folders[0], folders[1])
        made.change(folders[1], "bench")
        (folders[1] / "many/140.txt").unlink()
        return folders


def small_work(folder):
    work = Small()
    work.home = folder
    work.prepare()
    return work


def wrong_restores_are_found(folder):
    work = small_work(folder)
    honest = turn.take(Copies, work, folder / "scratch")
    assert not honest.problems, honest.problems
    assert {"day0", "day1", "again", "list", "restore", "over", "restore-first", "one", "delete", "verify"} <= honest.steps.keys()
    assert list((folder / "scratch").iterdir()) == [], "a turn leaves nothing"
    controls = [
        ("restore", spoils("restore", flip("table.bin"))),
        ("restore", spoils("restore", lambda target: (target / "empty").unlink())),
        ("restore", spoils("restore", lambda target: (target / "more").touch())),
        ("restore", spoils("restore", lambda target: (target / "table.bin").chmod(0o640))),
        ("restore", spoils("restore", lambda target: os.utime(target / "dump.sql", ns=(0, 0)))),
        ("over", spoils("restore_over", flip("dump.sql"))),
        ("over", spoils("restore_over", lambda target: (target / "more").touch())),
        ("one", spoils("restore_one", flip("007.txt"))),
        ("one", spoils("restore_one", lambda target: (target / "007.txt").unlink())),
        ("one", spoils("restore_one", lambda target: (target / "008.txt").touch())),
    ]
    for step, spoiled in controls:
        found = turn.take(spoiled, work, folder / "scratch")
        assert step in [problem["step"] for problem in found.problems], (step, found.problems)
        assert step not in found.steps, "what was restored wrong has no time"
    messy = spoils("restore", lambda target: (target.parent / "partial").touch())
    turn.take(messy, work, folder / "scratch")
    assert list((folder / "scratch").iterdir()) == [], "what a tool leaves beside its target goes too"
    lax = type("Lax", (spoils("restore_over", lambda target: (target / "more").touch()),), {"removes_more": False})
    assert not turn.take(lax, work, folder / "scratch").problems, "a tool that cannot remove may leave more"
    return len(controls) + 2


def a_tool_that_fails_has_no_number(folder):
    work = small_work(folder)
    def fails(self, *_):
        raise Failed("on purpose")
    for step, method in (("verify", "verify"), ("day0", "take"), ("init", "initialise")):
        found = turn.take(type("Failing", (Copies,), {method: fails}), work, folder / "scratch")
        assert step not in found.steps and found.problems[0]["step"] == step, found.problems
    missing = type("Missing", (Copies,), {"list": lambda self: self.must("/no/such/file", "/nor/there")})
    assert turn.take(missing, work, folder / "scratch").problems[0]["step"] == "list"
    return 4


def a_tree_turns_back_to_the_day_before(folder):
    work = small_work(folder)
    tree = folder / "tree"
    copy_tree(work.folders[1], tree)
    assert work.wrong(0, tree), "the days do not differ"
    work.turn_back(tree)
    # The times of folders change with what is in them, and a copy is not linked to its twin.
    wrong = [line for line in compare.differences(work.folders[0], tree, root_too=False) if "time" not in line and "hard links" not in line]
    assert not wrong, wrong
    assert work.wrong(1, tree)
    return 2


def great_files_are_compared_to_their_ends(folder):
    whole, compare.RANGE = compare.RANGE, 4 * compare.BUFFER
    try:
        one, other = fresh(folder / "one"), fresh(folder / "other")
        content = os.urandom(9 * compare.BUFFER + 17)
        for at in (0, compare.RANGE - 1, compare.RANGE, 2 * compare.RANGE, len(content) - 1):
            (one / "great").write_bytes(content)
            (other / "great").write_bytes(content)
            assert compare.differences(one, other, root_too=False, metadata=False) == []
            flip_at = bytearray(content)
            flip_at[at] ^= 1
            (other / "great").write_bytes(flip_at)
            assert compare.differences(one, other, root_too=False, metadata=False) == ["great: content"], at
        (other / "great").write_bytes(content[:-1])
        assert compare.differences(one, other, root_too=False, metadata=False) == ["great: content"]
        holes_are_zeros_and_nothing_else(one / "great", other / "great")
    finally:
        compare.RANGE = whole
    return 10


def holes_are_zeros_and_nothing_else(sparse, full):
    size = 20 * compare.BUFFER + 5
    with open(sparse, "wb") as file:
        file.truncate(size)
        file.seek(9 * compare.BUFFER + 3)
        file.write(b"data")
    content = bytearray(sparse.read_bytes())
    full.write_bytes(content)
    for left, right in ((sparse, full), (full, sparse)):
        assert compare.differences(left.parent, right.parent, root_too=False, metadata=False) == []
        for at in (0, 7 * compare.BUFFER, 9 * compare.BUFFER + 4, size - 1):
            changed = bytearray(content)
            changed[at] ^= 1
            full.write_bytes(changed)
            assert compare.differences(left.parent, right.parent, root_too=False, metadata=False) == ["great: content"], at
        full.write_bytes(content)


def every_day_stands_at_one_place(folder):
    work = small_work(folder)
    seen = set()
    for day in (0, 1):
        with work.standing(day) as place:
            seen.add(place)
            assert not compare.differences(work.folders[day] if work.folders[day].exists() else place, place, root_too=False)
            table = (place / "dump.sql").read_bytes()
        assert table == (work.folders[day] / "dump.sql").read_bytes()
        assert not place.exists()
    assert len(seen) == 1, seen
    return 1


def two_runs_do_not_share_a_place(folder):
    with turn.alone(folder / "data", folder / "one"):
        try:
            with turn.alone(folder / "data", folder / "other"):
                raise AssertionError("two at a time")
        except turn.Busy:
            pass
    with turn.alone(folder / "data", folder / "other"):
        return 1


def a_day_left_at_the_shared_place_is_put_back(folder):
    work = small_work(folder)
    os.rename(work.folders[1], folder / "current")
    work.make = lambda: work.folders
    work.prepare()
    assert work.folders[1].exists() and not (folder / "current").exists()
    return 1


def days_of_many_files_change_places(folder):
    whole = settings.DATA, settings.SCALE
    settings.DATA, settings.SCALE = folder, 0
    try:
        work = Many()
        work.prepare()
        seen = [None, None]
        for day in (0, 1, 1, 0, 0, 1):
            work.show(day)
            now = made.contents(work.tree)
            now = {path: what[4] for path, what in now.items() if what[4]}
            assert seen[day] in (None, now), "a day changed"
            assert len(now) == work.facts()[day]["files"]
            assert sum(what[1] for what in now.values()) == work.facts()[day]["bytes"]
            seen[day] = now
        assert seen[0] != seen[1]
        # Cut short: the first half of the other day's files are away, and nothing came for them.
        for path in work.only[1][:15]:
            move(work.tree / path, work.aside[1] / path)
        for day in (1, 0):
            work.show(day)
            assert {path: what[4] for path, what in made.contents(work.tree).items() if what[4]} == seen[day]
        tree = folder / "restored"
        work.show(1)
        copy_tree(work.tree, tree)
        assert work.wrong(0, tree) and not work.wrong(1, tree)
        work.turn_back(tree)
        assert work.wrong(1, tree) and not work.wrong(0, tree)
    finally:
        settings.DATA, settings.SCALE = whole
    return 4


def only_whole_runs_are_recorded(_folder):
    record = {"scale": 1, "tools": {"snaphold": {}, "restic": {}}}
    assert results.comparable(record, None) is None
    assert results.comparable(record, {"tools": {"snaphold": {}}}) is None
    assert results.comparable({**record, "scale": 0.1}, None)
    assert results.comparable(record, {"tools": {"snaphold": {}, "borg": {}}})
    return 2


def cost(seconds, added=100, size=1000, peak=1 << 20):
    return {"seconds": seconds, "cpu": seconds, "peak": peak, "written": 1, "disk": 0, "added": added, "size": size, "derived": 0}


def record_of(snaphold, **peers):
    """A record of the work `pg`; each tool has a list of turns."""
    tools = {name: {"turns": turns, "problems": []} for name, turns in {"snaphold": snaphold, **peers}.items()}
    return {
        "work": "pg", "title": "a title", "day": "day", "at": "2026-01-01T00:00:00+00:00", "scale": 1, "missing": {},
        "machine": {"processor": "one", "cores": 2, "scratch": "tmpfs"}, "data": [{"bytes": 10, "files": 1}],
        "versions": dict.fromkeys(tools, "name 1.0"), "tools": tools,
    }


def goals_are_held_against_the_best_peer(_folder):
    slow, fast = {"day0": cost(20, size=500)}, {"day0": cost(10, size=1000)}

    def verdicts(seconds, size=400, peak=1 << 20):
        ours = {"day0": cost(seconds, size=size, peak=peak)}
        return {verdict.step: verdict for verdict in goals.judge(record_of([ours], restic=[slow], borg=[fast]))}

    time, size, peak = "first snapshot: time", "first snapshot: size", "peak memory, against 300 MiB"
    assert verdicts(5.9)[time].held and verdicts(5.9)[time].best_name == "borg"
    assert verdicts(6.1)[time].held is False, "slower than the goal"
    assert verdicts(1)[size].held and verdicts(1)[size].best_name == "restic"
    assert verdicts(1, size=490)[size].held is False, "larger than the goal"
    assert verdicts(1)[peak].held and verdicts(1, peak=301 << 20)[peak].held is False
    assert verdicts(1)["list snapshots"].held is None, "what was not measured is not held"
    assert goals.PEAK_LIMIT == 300 << 20
    days = {"day0": cost(1), "day1": cost(1, added=5), "day2": cost(2, added=6)}
    theirs = {"day0": cost(1), "day1": cost(10, added=150), "day2": cost(10, added=150)}
    found = {verdict.step: verdict for verdict in goals.judge(record_of([days], restic=[theirs]))}
    assert found["next day: time"].ratio == 3 / 20 and found["next day: time"].held
    assert found["next day: bytes added"].ratio == 11 / 300 and found["next day: bytes added"].held is False
    alone = {verdict.step: verdict.held for verdict in goals.judge(record_of([days]))}
    assert alone[time] is None, "without a peer nothing is held"
    return 6


def medians_leave_out_what_failed(_folder):
    record = record_of([{"day0": cost(1)}, {"day0": cost(9)}, {"day0": cost(2)}, {}])
    assert results.median(record, "snaphold", "day0", "seconds") == 2
    assert results.median(record, "snaphold", "verify", "seconds") is None
    assert results.median(record, "restic", "day0", "seconds") is None
    return 2


def the_document_says_what_was_found(folder):
    record = record_of([{"day0": cost(9)}], restic=[{"day0": cost(10)}])
    assert "**missed**" in "\n".join(report.goal_table([record]))
    record["tools"]["restic"]["problems"].append({"step": "restore", "text": "restored wrong: x: content"})
    assert "restored wrong: x: content" in "\n".join(report.work_section(record))
    text = report.replaced("# Title\n\nmore\n", "one")
    assert "more" in text and report.replaced(text, "two") == text.replace("one", "two")
    written = results.write(record, folder)
    assert results.read(folder) == {"pg": record} and written.read_text().count("\n") < 60
    return 3


TESTS = [
    wrong_restores_are_found,
    a_tool_that_fails_has_no_number,
    a_tree_turns_back_to_the_day_before,
    great_files_are_compared_to_their_ends,
    every_day_stands_at_one_place,
    two_runs_do_not_share_a_place,
    a_day_left_at_the_shared_place_is_put_back,
    days_of_many_files_change_places,
    only_whole_runs_are_recorded,
    goals_are_held_against_the_best_peer,
    medians_leave_out_what_failed,
    the_document_says_what_was_found,
]


def main():
    """Runs every test; 0 when all pass."""
    failed = False
    for test in TESTS:
        with tempfile.TemporaryDirectory(prefix="bench-self-test-", dir="/var/tmp") as folder:
            settings.WORK = pathlib.Path(folder) / "work"
            try:
                with contextlib.redirect_stderr(io.StringIO()):
                    count = test(pathlib.Path(folder))
                print(f"{test.__name__}: {count} controls")
            except AssertionError as error:
                failed = True
                print(f"{test.__name__}: FAILED: {error}")
    return 1 if failed else 0
