"""One turn of one tool: all steps of one work, each measured, each restore compared."""

import contextlib
import fcntl
import time

from harness import measure
from harness.environment import fresh, remove, say
from harness.tools import Failed



class Turn:
    """What the steps of a turn cost, by step: numbers as in `measure.Run`, and the size of the repository afterwards."""

    def __init__(self, tool, work):
        self.tool, self.work = tool, work
        self.steps = {}
        self.problems = []

    def step(self, name, act, *words):
        """Measures one step. A tool that fails it has no number for it."""
        before = self.tool.size() if self.steps else 0
        measure.settle()
        try:
            done = act(*words)
        except Failed as error:
            self.problem(name, str(error))
            return False
        after = self.tool.size()
        self.steps[name] = {
            "seconds": round(done.seconds, 4), "cpu": round(done.user_seconds + done.system_seconds, 4),
            "peak": done.peak_bytes, "written": done.written_bytes, "disk": done.disk_bytes,
            "added": after - before, "size": after, "derived": self.tool.derived(),
        }
        return True

    def problem(self, name, text):
        self.problems.append({"step": name, "text": text})
        say(f"    {self.tool.name} {name}: {text}")

    def compare(self, name, found):
        """A restore that is not what was stored has no time."""
        if found:
            self.steps.pop(name, None)
            self.problem(name, "restored wrong: " + "; ".join(found[:5]))


def take(kind, work, scratch):
    """Runs all steps of `work` with the tool `kind`; gives the turn. Leaves nothing in `scratch`."""
    began = time.monotonic()
    tool = kind(scratch / kind.name, sparse=work.sparse)
    turn = Turn(tool, work)
    # In a folder of its own: what a tool that fails leaves beside its target goes too.
    beside = fresh(scratch / f"{kind.name}-restored")
    target = beside / "tree"
    try:
        if turn.step("init", tool.initialise) and take_days(turn):
            turn.step("list", tool.list)
            restore_last(turn, target)
            if work.first_too and work.days() > 1:
                restore_first(turn, target)
            restore_one(turn, target)
            turn.step("delete", tool.delete, tag(0))
            turn.step("verify", tool.verify)
    finally:
        remove(tool.folder)
        remove(beside)
    said = "  ".join(f"{name} {cost['seconds']:.2f}" for name, cost in turn.steps.items())
    say(f"    {kind.name} ({time.monotonic() - began:.0f} s in all): {said}")
    return turn


def tag(day):
    return f"day{day}"


def take_days(turn):
    """The snapshots: each day, and the last one twice. False where one failed, for then there is no going on."""
    last = turn.work.days() - 1
    for day in range(last + 1):
        with turn.work.standing(day) as place:
            if day == 0:
                turn.tool.before_take(place)
            if not turn.step(f"day{day}", turn.tool.take, place, tag(day)):
                return False
            if day == last and not turn.step("again", turn.tool.take, place, "again"):
                return False
    return True


def restore_last(turn, target):
    """The last day into an empty folder, then over what the day before had."""
    work, tool, last = turn.work, turn.tool, turn.work.days() - 1
    fresh(target)
    if turn.step("restore", tool.restore, tag(last), target):
        wrong = work.wrong(last, target)
        turn.compare("restore", wrong)
        if not wrong and last > 0:
            work.turn_back(target)
            tool.before_restore_over(target)
            if turn.step("over", tool.restore_over, tag(last), target):
                turn.compare("over", work.wrong(last, target, more_allowed=not tool.removes_more))
    remove(target)


def restore_first(turn, target):
    fresh(target)
    if turn.step("restore-first", turn.tool.restore, tag(0), target):
        turn.compare("restore-first", turn.work.wrong(0, target))
    remove(target)


def restore_one(turn, target):
    fresh(target)
    if turn.step("one", turn.tool.restore_one, tag(turn.work.days() - 1), turn.work.one, target):
        turn.compare("one", turn.work.wrong_one(target))
    remove(target)


@contextlib.contextmanager
def alone(*folders):
    """Has these folders for one run: two would remove each other's repositories, and change each other's days."""
    with contextlib.ExitStack() as locks:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            lock = locks.enter_context(open(folder / "lock", "wb"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Busy(f"another run uses {folder}: PEERS_DATA and PEERS_WORK choose other places") from error
        yield


class Busy(Exception):
    """Another run is there."""
