"""python plots.py FOLDER: bars of what FOLDER/results.json holds, as PNGs beside it; needs only matplotlib."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parent.parent))

from suite.report import grouped, less_is_better, number

OURS, THEIRS = "#00897b", "#546e7a"
PLOTS = {
    "http": ("http", "answers/s"),
    "queues": ("queues", "drained jobs/s"),
    "filled": ("queues", "enqueued jobs/s"),
    "latency": ("queues", "lone job starts after, p50 ms"),
    "start": ("start", "server to its first answer, ms"),
}


def panel(axes: Axes, figures: Sequence[Mapping[str, Any]]) -> None:
    """A dot for the median of each side, the best on top, on a line from its least to its most."""
    rounds = {figure["side"]: figure["theirs"] for figure in figures}
    durable = {figure["side"] for figure in figures if figure["fsync"] == "yes"} | {"workerkit"}
    rounds["workerkit"] = [value for figure in figures for value in figure["ours"]]
    medians = {name: statistics.median(values) for name, values in rounds.items()}
    best = sorted(medians, key=medians.__getitem__, reverse=less_is_better(figures[0]["figure"]))
    for place, name in enumerate(best):
        colour = OURS if name == "workerkit" else THEIRS
        filled = colour if name in durable else "white"
        axes.plot([min(rounds[name]), max(rounds[name])], [place, place], color=colour, lw=1)
        axes.plot(medians[name], place, "o", ms=7, mec=colour, mfc=filled)
        axes.text(max(rounds[name]), place, f"    {number(medians[name])}", va="center", fontsize=8)
    axes.set_yticks(range(len(best)), best, fontsize=8)
    axes.set_xscale("log")
    axes.grid(axis="y", color="#eceff1")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.margins(x=0.2)


def plot(figures: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A panel for each handler and variant."""
    panels = grouped(figures, "work", "variant")
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    tallest = max(map(len, panels.values()))
    image = Figure(figsize=(5.5 * columns, (1 + 0.25 * tallest) * rows + 0.4), layout="constrained")
    image.suptitle("filled: on the disk before it is acknowledged; hollow: not", fontsize=8, color=THEIRS)
    every = image.subplots(rows, columns, squeeze=False).flatten()
    for axes, ((work, variant), same) in zip(every, panels.items(), strict=False):
        axes.set_title(f"{same[0]['figure']}: {work} handler, {variant}", fontsize=9, loc="left")
        panel(axes, same)
    for axes in every[len(panels) :]:
        axes.remove()
    image.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    mpl.use("agg")
    folder = Path(sys.argv[1])
    figures = json.loads((folder / "results.json").read_text())["figures"]
    for name, (section, figure) in PLOTS.items():
        if chosen := [each for each in figures if (each["section"], each["figure"]) == (section, figure)]:
            plot(chosen, folder / f"{name}.png")


if __name__ == "__main__":
    main()
