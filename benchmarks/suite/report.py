"""Tables from the results: median (min to max) of each side, and the ratio of rounds that ran in pairs.

The results are what `results.json` holds, so a page or a plot needs nothing but that file and this module.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

HEAD = ("beside", "with", "fsync", "result", "handler runs in", "theirs", "workerkit", "ratio")
INTRODUCED = {
    "http": "A server that answers when the handler has ended",
    "accepting": "A server that answers when it has the job, while others wait",
    "queues": "A queue that is filled, then drained",
    "start": "Starting",
}


def less_is_better(figure: str) -> bool:
    return figure.endswith("ms")


def ratios(figure: Mapping[str, Any]) -> list[float]:
    """How far workerkit is ahead in each round: 2 is twice the rate, or half the time."""
    pairs = zip(figure["theirs"], figure["ours"], strict=True)
    if less_is_better(figure["figure"]):
        return [theirs / ours for theirs, ours in pairs]
    return [ours / theirs for theirs, ours in pairs]


def number(value: float) -> str:
    """Three digits or more of it."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values: Sequence[float]) -> str:
    middle = number(statistics.median(values))
    return f"{middle} ({number(min(values))} to {number(max(values))})"


def grouped(
    figures: Sequence[Mapping[str, Any]], *keys: str
) -> dict[tuple[str, ...], list[Mapping[str, Any]]]:
    """Figures that have these values in common, in the order in which they were first seen."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for figure in figures:
        groups.setdefault(tuple(figure[key] for key in keys), []).append(figure)
    return groups


def line(figure: Mapping[str, Any]) -> list[str]:
    facts = [figure[key] for key in ("side", "variant", "fsync", "result", "handler")]
    return [*facts, spread(figure["theirs"]), spread(figure["ours"]), spread(ratios(figure))]


def table(figures: Sequence[Mapping[str, Any]]) -> str:
    """One kind of figure: by variant, the best first."""
    lines = [HEAD, ["---"] * len(HEAD)]
    for variant in grouped(figures, "variant").values():
        best = sorted(variant, key=lambda figure: statistics.median(figure["theirs"]))
        lines += map(line, best if less_is_better(figures[0]["figure"]) else best[::-1])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def conditions(results: Mapping[str, Any]) -> str:
    """When, where, how many rounds, and every version."""
    machine = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    rounds = f"{results['rounds']} round{'s' * (results['rounds'] != 1)}"
    ran = f"{results['plan']} run of {results['began']}, {rounds}, {results['minutes']:.0f} minutes"
    return f"- {ran}\n- {machine}\n- {versions}"


def markdown(results: Mapping[str, Any]) -> str:
    """All of it, from the second level of headings on."""
    parts = ["## Conditions {#conditions}", conditions(results)]
    for (section,), figures in grouped(results["figures"], "section").items():
        parts.append(f"## {INTRODUCED[section]} {{#{section}}}")
        for (work, figure), same in grouped(figures, "work", "figure").items():
            parts += [f"### {figure}" + (f", {work} handler" if work else ""), table(same)]
    if results["notes"]:
        parts.append("## To know before comparing {#notes}")
        parts.append("\n".join(f"- {side}: {note}" for side, note in sorted(results["notes"].items())))
    if results["failed"]:
        parts += ["## Failed {#failed}", "\n".join(f"- {failed}" for failed in results["failed"])]
    return "\n\n".join(parts) + "\n"


def growth(results: Mapping[str, Any]) -> str:
    """What `growth.py` has measured: one line for each figure."""
    lines = [("with", "figure", "median (least to most)"), ("---", "---", "---:")]
    for row in results["rows"]:
        values = row["values"]
        lines.append((row["what"], row["figure"], spread(values) if len(values) > 1 else number(values[0])))
    return "\n\n".join([conditions(results), "\n".join(f"| {' | '.join(cells)} |" for cells in lines)])


def stages(runs: Mapping[str, Any]) -> str:
    """What `stages.py` has measured: a table for each process, stages down, numbers of connections across."""
    loads = list(next(iter(runs.values())))
    columns = [(name, load) for load in loads for name in runs]
    tables = []
    for process in ("host", "worker"):
        head = [f"{process}, µs a job", *(f"{load} connections {name}".strip() for name, load in columns)]
        figures = [runs[name][load][process] for name, load in columns]
        known = dict.fromkeys(stage for found in figures for stage in found)
        rows = [[stage, *(f"{found.get(stage, 0):.1f}" for found in figures)] for stage in known]
        together = ["**together**", *(f"**{sum(found.values()):.0f}**" for found in figures)]
        lines = [head, ["---", *["---:"] * len(columns)], *rows, together]
        tables.append("\n".join(f"| {' | '.join(cells)} |" for cells in lines))
    return "\n\n".join(tables)
