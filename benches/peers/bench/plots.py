#!/usr/bin/env python3
"""Draws each work's results: `plots.py RESULTS TARGET`. A program of its own, for matplotlib may belong to another Python."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[2] / "tests/acceptance")]

import matplotlib  # noqa: E402

matplotlib.use("svg")
from matplotlib import pyplot, ticker  # noqa: E402

from bench import goals, results  # noqa: E402

# Told apart by people who see colours otherwise, too.
COLOURS = {
    "snaphold": "#d55e00", "restic": "#0072b2", "rustic": "#56b4e9", "borg": "#009e73", "kopia": "#cc79a7", "vykar": "#7f7f7f",
}
STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "snaphold", "font.size": 9, "font.family": "sans-serif",
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10, "figure.facecolor": "white",
}


def main(source, target):
    target = pathlib.Path(target)
    target.mkdir(parents=True, exist_ok=True)
    with pyplot.rc_context(STYLE):
        for record in results.read(pathlib.Path(source)).values():
            figure = draw(record)
            file = target / f"peers-{record['work']}.svg"
            figure.savefig(file, metadata={"Date": None})
            # Ends of lines as editors and git want them.
            file.write_text("\n".join(line.rstrip() for line in file.read_text().splitlines()) + "\n")
            pyplot.close(figure)


def draw(record):
    """Both halves of one work."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9.5, 4.4), gridspec_kw={"width_ratios": [1, 1.5]})
    figure.subplots_adjust(left=0.07, right=0.98, top=0.93, bottom=0.16, wspace=0.62)
    sizes(record, left)
    times(record, right)
    handles, labels = right.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=len(labels), frameon=False)
    return figure


def sizes(record, axes):
    """The repository after each day; a bar each where there is one day alone."""
    days = [step for step in results.steps(record) if step.startswith("day")]
    for number, tool in enumerate(record["tools"]):
        found = [results.median(record, tool, step, "size") for step in days]
        if None in found:
            continue
        heights = [size / 1e6 for size in found]
        if len(days) == 1:
            axes.bar(number, heights[0], color=COLOURS[tool])
        else:
            axes.plot(range(1, len(days) + 1), heights, color=COLOURS[tool], marker="o", markersize=4, linewidth=2)
    axes.set_xticks(range(1, len(days) + 1) if len(days) > 1 else [])
    axes.set_xlabel(record["day"] if len(days) > 1 else "")
    axes.set_ylim(bottom=0)
    axes.set_title(f"{record['work']}: repository, MB")
    axes.grid(axis="y", alpha=0.3)


def times(record, axes):
    """Seconds of each step, the median, with a line from the least to the greatest."""
    steps = [step for step in results.steps(record) if step != "init"]
    tools = list(record["tools"])
    for number, tool in enumerate(tools):
        places, middles, spans = [], [], ([], [])
        for row, step in enumerate(steps):
            found = results.values(record, tool, step, "seconds")
            if found:
                middle = results.median(record, tool, step, "seconds")
                places.append(row + (number - (len(tools) - 1) / 2) * 0.7 / len(tools))
                middles.append(middle)
                spans[0].append(middle - min(found))
                spans[1].append(max(found) - middle)
        # Points, not bars: on a logarithmic scale a bar has no beginning.
        axes.errorbar(middles, places, xerr=spans, fmt="o", markersize=5, elinewidth=1, color=COLOURS[tool], label=tool)
    for row in range(1, len(steps)):
        axes.axhline(row - 0.5, color="#dddddd", linewidth=0.6)
    axes.set_yticks(range(len(steps)), [goals.name_of(record, step) for step in steps])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
    axes.xaxis.set_minor_formatter(ticker.NullFormatter())
    axes.set_title("seconds a step (logarithmic)")
    axes.grid(axis="x", alpha=0.3)


if __name__ == "__main__":
    main(*sys.argv[1:])
