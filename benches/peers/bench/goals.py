"""The goals: each a ratio of Snaphold against the best peer for that step in the same run."""

import dataclasses

from . import results

PEAK_LIMIT = 300 << 20


@dataclasses.dataclass
class Verdict:
    """One goal on one work. `ratio` is what is held against `limit`; both None where something is missing."""

    work: str
    step: str
    limit: float
    ours: float | None
    best: float | None
    best_name: str
    unit: str

    @property
    def ratio(self):
        if self.ours is None or self.best is None:
            return None
        return self.ours / self.best if self.best > 0 else None

    @property
    def held(self):
        return None if self.ratio is None else self.ratio <= self.limit


def next_days(record):
    return [step for step in results.steps(record) if step.startswith("day") and step != "day0"]


def total(record, tool, steps, what):
    """The sum of a tool's medians over steps; None where one is missing."""
    found = [results.median(record, tool, step, what) for step in steps]
    return None if not found or None in found else sum(found)


def against_best(record, step, limit, ours, unit, what, peer_steps):
    """The verdict on a number of ours against the least of the peers'."""
    peers = {name: total(record, name, peer_steps, what) for name in record["tools"] if name != "snaphold"}
    known = {name: value for name, value in peers.items() if value is not None}
    best = min(known, key=known.get) if known else ""
    return Verdict(record["work"], step, limit, ours, known.get(best), best, unit)


def judge(record):
    """All verdicts on one work."""
    days, work = next_days(record), record["work"]

    def seconds(step, limit, steps, peer_steps=None):
        ours = total(record, "snaphold", steps, "seconds")
        return against_best(record, step, limit, ours, "s", "seconds", peer_steps or steps)

    def stored(step, limit, steps, what):
        return against_best(record, step, limit, total(record, "snaphold", steps, what), "B", what, steps)

    yield seconds("first snapshot: time", 0.6, ["day0"])
    yield stored("first snapshot: size", 0.95, ["day0"], "size")
    if work in NEXT and days:
        time_limit, size_limit = NEXT[work]
        yield seconds(f"next {record['day']}: time", time_limit, days)
        yield stored(f"next {record['day']}: bytes added", size_limit, days, "added")
    yield seconds("again, unchanged", 0.5, ["again"])
    yield seconds("restore whole", 0.7, ["restore"])
    if results.median(record, "snaphold", "restore-first", "seconds") is not None:
        ours, first = (results.median(record, "snaphold", step, "seconds") for step in ("restore", "restore-first"))
        yield Verdict(work, "restore the last day, against the first", 1.3, ours, first, "its own first day", "s")
    if "over" in results.steps(record):
        yield seconds("restore in place, against the best whole restore", 0.3, ["over"], ["restore"])
    for step in ("one", "list", "delete", "verify"):
        yield seconds(NAMES[step], 0.5, [step])
    peaks = [max(results.values(record, "snaphold", step, "peak"), default=0) for step in results.steps(record)]
    yield Verdict(work, "peak memory, against 300 MiB", 1.0, max(peaks, default=None), PEAK_LIMIT, "the limit", "MiB")


# Limits of the next day's time and added bytes, where there is a goal for them.
NEXT = {"pg": (0.3, 1 / 30), "pgdump": (0.3, 1 / 10), "innodb": (0.3, 1 / 10), "tree": (0.5, 0.5)}
NAMES = {
    "init": "make the repository", "again": "again, unchanged", "list": "list snapshots", "restore": "restore whole",
    "over": "restore in place", "restore-first": "restore the first day", "one": "restore one file",
    "delete": "delete the oldest, gc", "verify": "verify with data", "day0": "first snapshot",
}


def name_of(record, step):
    """A step in words."""
    return NAMES.get(step) or f"{record['day']} {int(step.removeprefix('day')) + 1}"
