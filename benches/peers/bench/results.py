"""Results as JSON, a file for each work: what each turn cost, on what, with which versions."""

import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess

from . import settings


def machine():
    """What it was measured on, in words that mean something elsewhere."""
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    where = subprocess.run(["stat", "-f", "-c", "%T", settings.WORK], capture_output=True, text=True, check=False)
    return {
        "processor": model[1].strip() if model else platform.machine(), "cores": os.cpu_count(),
        "memory": int(memory[1]) * 1024 if memory else None, "kernel": platform.release(),
        "scratch": where.stdout.strip(),
    }


def commit():
    """The commit of this checkout, with `+` where something is not committed; empty where there is no git."""
    said = subprocess.run(["git", "-C", settings.ROOT, "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=False)
    return said.stdout.strip()


def gather(work, turns, versions, missing):
    """The record of one work: `turns` by tool."""
    return {
        "work": work.name, "title": work.title, "day": work.day, "one": work.one,
        "at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit(), "scale": settings.SCALE, "machine": machine(), "versions": versions, "missing": missing, "data": work.facts(),
        "tools": {
            name: {"turns": [turn.steps for turn in taken], "problems": [problem for turn in taken for problem in turn.problems]}
            for name, taken in turns.items()
        },
    }


def path(name, folder=None):
    return (folder or settings.RESULTS) / f"{name}.json"


def write(record, folder=None):
    """Writes a record, a line a step, so that a change can be read."""
    target = path(record["work"], folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(record, indent=1)
    # The innermost objects, which are the costs of steps, on one line each.
    text = re.sub(r"\{\n\s*([^{}\[\]]*?)\n\s*\}", lambda found: "{" + re.sub(r"\n\s*", " ", found[1]) + "}", text)
    target.write_text(text + "\n")
    return target


def read(folder=None):
    """All records that are there, by work."""
    found = {}
    for file in sorted((folder or settings.RESULTS).glob("*.json")):
        record = json.loads(file.read_text())
        found[record["work"]] = record
    return found


def steps(record):
    """The names of all steps that any tool took, in their order."""
    names = {}
    for tool in record["tools"].values():
        for turn in tool["turns"]:
            names.update(dict.fromkeys(turn))
    return [name for name in ORDER if name in names] + [name for name in names if name not in ORDER]


ORDER = ["init", *(f"day{day}" for day in range(9)), "again", "list", "restore", "over", "restore-first", "one", "delete", "verify"]


def values(record, tool, step, what):
    """What each turn of a tool measured at a step; turns that have no number are left out."""
    turns = record["tools"].get(tool, {}).get("turns", [])
    return [turn[step][what] for turn in turns if step in turn and turn[step].get(what) is not None]


def median(record, tool, step, what):
    """The median of them, None where there is none."""
    found = values(record, tool, step, what)
    return statistics.median(found) if found else None


def comparable(record, before):
    """Why a record may not take the place of the one before it, None where it may."""
    if record["scale"] != 1:
        return f"the scale is {record['scale']:g}"
    gone = sorted(set(before["tools"]) - set(record["tools"])) if before else []
    return f"it lacks {', '.join(gone)}, which the recorded run has" if gone else None
