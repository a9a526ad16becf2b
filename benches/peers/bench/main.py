"""What the command line asks for."""

import os
import shutil
import subprocess
import sys

from harness import environment, tools
from harness.environment import say

from . import report, results, self_test, settings, turn, works


def main(options):
    unknown = [name for name in options.works if name not in works.ALL]
    if unknown:
        say(f"no such work: {', '.join(unknown)}; there are {', '.join(works.ALL)}")
        return 2
    if not options.render and not options.list:
        in_own_mounts()
    if options.self_test:
        return self_test.main()
    if options.render:
        report.render()
        return 0
    chosen = [works.ALL[name]() for name in (options.works or works.ALL)]
    if options.list:
        return show_list(chosen)
    try:
        with turn.alone(settings.DATA, settings.WORK):
            return work_with(chosen, options)
    except turn.Busy as error:
        say(str(error))
        return 2


def work_with(chosen, options):
    """Makes the data, and measures where that is asked for."""
    if options.prepare:
        if not enough_space(chosen, turns=False):
            return 2
        prepare(chosen)
        return 0
    present, missing = choose(options.tools.split() or list(tools.ALL))
    if present is None or not enough_space(chosen):
        return 2
    return measure(chosen, present, missing, options)


def in_own_mounts():
    """Starts again with mounts of its own, where that is allowed: what it mounts, nobody else sees, and nothing stays."""
    if "PEERS_MOUNTS" in os.environ:
        return
    command = ["unshare", "--mount", "--propagation", "private"]
    probe = [*command, "mount", "--bind", "/usr", "/usr"]
    allowed = shutil.which("unshare") and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    os.environ["PEERS_MOUNTS"] = "1" if allowed else "0"
    if allowed:
        os.execvp(command[0], [*command, sys.executable, *sys.argv])


def prepare(chosen):
    """Makes the data of the works, with what must be installed for it."""
    wanted = {name: proof for work in chosen for name, proof in work.packages.items()}
    environment.PACKAGES.update(wanted)
    environment.install_what_is_missing()
    for work in chosen:
        work.prepare()


def show_list(chosen):
    """The works with what they take, and the tools that are there."""
    for work in chosen:
        print(f"{work.name:8} {work.title}; data {gigabytes(work.data_bytes)}, beside it a turn takes {gigabytes(work.scratch_bytes)}")
    for name, tool in tools.ALL.items():
        print(f"{name:8} {tool.version() if tool.program() else 'not found'}")
    return 0


def gigabytes(count):
    return f"{count * settings.SCALE / 1e9:.1f} GB"


def enough_space(chosen, turns=True):
    """Says what is taken beside what is there already, with or without turns; False where there is not that much."""
    data = sum(work.data_bytes for work in chosen if not work.is_made()) * settings.SCALE
    scratch = max(work.scratch_bytes for work in chosen) * settings.SCALE * turns
    say(f"takes {data / 1e9:.1f} GB for data in {settings.DATA}, and up to {scratch / 1e9:.1f} GB at a time in {settings.WORK}")
    needed = {}
    for folder, count in ((settings.DATA, data), (settings.WORK, scratch)):
        device = os.stat(folder).st_dev
        needed[device] = needed.get(device, (0, folder))[0] + count, folder
    for count, folder in needed.values():
        free = shutil.disk_usage(folder).free
        if free < count:
            say(f"{folder} has {free / 1e9:.1f} GB free: too little. PEERS_DATA and PEERS_WORK choose other places, "
                "PEERS_SCALE=0.1 takes less")
            return False
    return True


def choose(names):
    """The tools that are there, and why the others are not: `({name: class}, {name: reason})`."""
    unknown = [name for name in names if name not in tools.ALL]
    if unknown:
        say(f"no such tool: {', '.join(unknown)}; there are {', '.join(tools.ALL)}")
        return None, None
    present = {name: tools.ALL[name] for name in names if tools.ALL[name].program()}
    missing = {name: "not found" for name in names if name not in present}
    if "snaphold" in missing:
        say(f"{environment.BINARY} is not there: build it, or name it in SNAPHOLD_BIN")
        return None, None
    return present, missing


def measure(chosen, present, missing, options):
    """Measures each work; writes its results as soon as they are there."""
    versions = {name: tool.version() for name, tool in present.items()}
    say("tools: " + "; ".join(versions.values()) + (f"; without {', '.join(missing)}" if missing else ""))
    failed = False
    for work in chosen:
        prepare([work])
        turns = {name: [] for name in present}
        for number in range(options.repeats or work.repeats):
            say(f"  {work.name}, round {number + 1}")
            for name in rotated(list(present), number):
                work.warm()
                turns[name].append(turn.take(present[name], work, settings.WORK))
        record = results.gather(work, turns, versions, missing)
        failed |= any(tool["problems"] for tool in record["tools"].values())
        keep(record, options)
    return 1 if failed else 0


def rotated(names, by):
    """The names from the `by`th on, then those before it: no tool is always the first."""
    by %= len(names)
    return names[by:] + names[:by]


def keep(record, options):
    """Writes a record where it belongs, with the document; prints what it says."""
    reason = results.comparable(record, results.read().get(record["work"]))
    folder = options.results or (settings.DATA / "results" if reason else None)
    written = results.write(record, folder)
    print("\n".join(["", *report.work_section(record), "", *report.goal_table([record])]), flush=True)
    say(f"written to {written}" + (f", not to the recorded results: {reason}" if reason and not options.results else ""))
    if folder is None:
        report.render()
