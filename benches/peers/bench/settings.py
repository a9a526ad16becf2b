"""Where things are and how much of everything, by the environment. README.md lists the variables."""

import os
import pathlib

from harness import environment

ROOT = environment.ROOT
SCALE = float(os.environ.get("PEERS_SCALE", "1"))
DAYS = int(os.environ.get("PEERS_DAYS", "4"))
# Made data, kept between runs; another scale or number of days has a folder of its own.
_NAME = "bench-data" + ("" if SCALE == 1 else f"-{SCALE:g}") + ("" if DAYS == 4 else f"-{DAYS}-days")
DATA = pathlib.Path(os.environ.get("PEERS_DATA", pathlib.Path.home() / ".cache/snaphold" / _NAME)).absolute()
# Repositories and restored trees, gone after each turn.
WORK = pathlib.Path(os.environ.get("PEERS_WORK", DATA.parent / "bench-work")).absolute()
DOCUMENT = ROOT / "docs/BENCHMARKS.md"
PLOTS = ROOT / "docs/plots"
RESULTS = ROOT / "benches/peers/results"


def scaled(count, least=1):
    """`count`, as much of it as the scale says."""
    return max(least, int(count * SCALE))
