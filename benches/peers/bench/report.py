"""The results as Markdown, between two marks in docs/BENCHMARKS.md, and as plots beside it."""

import os
import shutil
import subprocess
import sys

from harness.environment import say

from . import goals, results, settings

BEGIN = "<!-- peers: from here to the next mark, written by benches/peers/run -->"
END = "<!-- peers: end -->"


def render():
    """Writes the section of the document and the plots anew from the recorded results."""
    records = ordered(results.read())
    draw(settings.RESULTS, settings.PLOTS)
    text = settings.DOCUMENT.read_text()
    settings.DOCUMENT.write_text(replaced(text, section(records)))
    say(f"wrote {settings.DOCUMENT}")


def replaced(text, new):
    """The document with `new` between its marks, which are added at its end where there are none."""
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n{new.strip()}\n{END}{after}"


def ordered(records):
    from . import works
    return [records[name] for name in works.ALL if name in records]


def section(records):
    """All of it."""
    lines = ["## Beside its peers", "", *INTRODUCTION]
    if not records:
        return "\n".join([*lines, "", "Nothing recorded yet."])
    lines += ["", "### Goals", "", *goal_table(records)]
    for record in records:
        lines += ["", *work_section(record)]
    return "\n".join(lines)


INTRODUCTION = """
What `make bench-peers` gave; how it measures is in `benches/peers/README.md`. Every tool does the same steps on the same
data in turns, encrypted, with its own recommended settings; medians, the least and the greatest in brackets. Only ratios
within one table mean anything elsewhere. Every restore was compared with what was stored, byte for byte.
""".strip().splitlines()


def goal_table(records):
    """Each goal on each work: held, or missed by how much."""
    lines = ["| work | step | goal | Snaphold | best peer | ratio | |", "| --- | --- | --- | --- | --- | --- | --- |"]
    counts = {True: 0, False: 0, None: 0}
    for record in records:
        for verdict in goals.judge(record):
            counts[verdict.held] += 1
            lines.append(
                f"| {verdict.work} | {verdict.step} | {short(verdict.limit)} | {amount(verdict.ours, verdict.unit)} "
                f"| {amount(verdict.best, verdict.unit)}, {verdict.best_name or 'none'} | {short(verdict.ratio)} | {judged(verdict)} |"
            )
    unknown = f", {counts[None]} could not be measured" if counts[None] else ""
    return [f"{counts[True]} goals are held, {counts[False]} are missed{unknown}.", "", *lines]


def judged(verdict):
    if verdict.held is None:
        return "not measured"
    return "held" if verdict.held else f"**missed**: {verdict.ratio / verdict.limit:.2f} times the goal"


def short(number):
    """A ratio in three digits."""
    return "–" if number is None else f"{number:.3g}"


def amount(number, unit):
    if number is None:
        return "–"
    if unit == "s":
        return f"{number:.2f} s"
    return f"{number / 2**20:.0f} MiB" if unit == "MiB" else megabytes(number)


def megabytes(number):
    """Bytes in the unit that suits them."""
    if number is None:
        return "–"
    if abs(number) >= 1e6:
        return f"{number / 1e6:,.1f} MB"
    return f"{number / 1e3:.1f} kB" if abs(number) >= 1e3 else f"{number:.0f} B"


def work_section(record):
    """The tables of one work."""
    tools = list(record["tools"])
    steps = [step for step in results.steps(record) if step != "init"]
    first, last = record["data"][0], record["data"][-1]
    machine = record["machine"]
    rounds = max(len(tool["turns"]) for tool in record["tools"].values())
    versions = ", ".join(version_of(name, record["versions"][name]) for name in tools)
    lines = [
        f"### {record['work']}: {record['title']}", "",
        f"{record['at'][:10]}; {versions}; {rounds} turns each; {machine['processor']}, {machine['cores']} cores, scratch on "
        f"{machine['scratch']}. {len(record['data'])} × {megabytes(first['bytes'])} in {first['files']:,} files"
        + (f" (at last {megabytes(last['bytes'])})" if len(record["data"]) > 1 else "") + "."
        + (f" Scale {record['scale']:g}." if record["scale"] != 1 else "")
        + (f" Not there: {', '.join(record['missing'])}." if record["missing"] else ""), "",
        f"![{record['work']}: size of the repository and time of each step](plots/peers-{record['work']}.svg)", "",
        "Seconds (least–greatest), and CPU seconds:", "",
        *table(record, tools, steps, time_cell), "",
        "Bytes that a step adds to the repository (without what is derived from it: indexes, caches), and its size then:", "",
        *table(record, tools, [step for step in steps if step.startswith("day") or step in ("again", "delete")], size_cell),
        derived_row(record, tools), "",
        "<details><summary>Peak memory, and bytes handed to writing calls</summary>", "",
        *table(record, tools, steps, peak_cell), "", "</details>",
    ]
    wrong = [(name, problem) for name, tool in record["tools"].items() for problem in tool["problems"]]
    if wrong:
        lines += ["", "What went wrong:", ""]
        lines += sorted({f"- {name}, {goals.name_of(record, problem['step'])}: {one_line(problem['text'])}" for name, problem in wrong})
    return lines


def one_line(text):
    return " ".join(text.split())[:300]


def version_of(name, text):
    """Name and number of a version line that may say much more."""
    words = text.replace(",", " ").split()
    number = next((word for word in words if word[0].isdigit() or word[0] == "v" and word[1:2].isdigit()), "")
    return f"{name} {number}".strip()


def table(record, tools, steps, cell):
    lines = [f"| | {' | '.join(tools)} |", f"| --- |{' --- |' * len(tools)}"]
    for step in steps:
        cells = [cell(record, tool, step) for tool in tools]
        lines.append(f"| {goals.name_of(record, step)} | {' | '.join(cells)} |")
    return lines


def time_cell(record, tool, step):
    found = results.values(record, tool, step, "seconds")
    if not found:
        return "–"
    spread = f" ({min(found):.2f}–{max(found):.2f})" if len(found) > 1 else ""
    return f"{results.median(record, tool, step, 'seconds'):.2f}{spread}, {results.median(record, tool, step, 'cpu'):.2f}"


def peak_cell(record, tool, step):
    peak = max(results.values(record, tool, step, "peak"), default=None)
    return "–" if peak is None else f"{peak / 2**20:.0f} MiB, {megabytes(results.median(record, tool, step, 'written'))}"


def size_cell(record, tool, step):
    added = results.median(record, tool, step, "added")
    return "–" if added is None else f"{megabytes(added)}, {megabytes(results.median(record, tool, step, 'size'))}"


def derived_row(record, tools):
    """What each tool keeps beside its repository after the last snapshot."""
    found = [megabytes(results.median(record, tool, "again", "derived")) for tool in tools]
    return f"| derived, beside it | {' | '.join(found)} |"


def draw(source, target):
    """Has the plots drawn by a Python that has matplotlib, which is not always the one that runs this."""
    for python in (sys.executable, "/usr/bin/python3"):
        if shutil.which(python) and subprocess.run([python, "-c", "import matplotlib"], capture_output=True, check=False).returncode == 0:
            script = os.path.join(os.path.dirname(__file__), "plots.py")
            subprocess.run([python, "-B", script, source, target], check=True)
            return
    say("no plots: install python3-matplotlib")
