"""What was measured, as it is kept: `results.json`, `tables.md` and the plots of one run."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import attrs

from suite import report
from suite.environments import make, program, version
from suite.plan import Plan
from suite.sides import Side

#: What was measured, as work, variant and figure: `("echo", "8 connections", "answers/s")`.
Key = tuple[str, str, str]
Figures = dict[Key, float]


@attrs.define
class Results:
    """The figures of both sides of every comparison, round by round."""

    plan: Plan
    machine: dict[str, str]
    began: float = attrs.field(factory=time.time)
    rounds: int = 0
    notes: dict[str, str] = attrs.field(factory=dict)
    failed: list[str] = attrs.field(factory=list)
    _kept: dict[tuple[str, str, Key], dict[str, Any]] = attrs.field(factory=dict, alias="kept")

    def note(self, section: str, side: Side, theirs: Figures, ours: Figures) -> None:
        """One round of one comparison; what only one side has is no comparison."""
        if side.note:
            self.notes[side.name] = side.note
        for key in theirs.keys() & ours.keys():
            if (section, side.name, key) not in self._kept:
                facts = {"fsync": side.fsync, "result": side.result, "handler": side.handler}
                names = dict(zip(("work", "variant", "figure"), key, strict=True))
                figure = {"section": section, "side": side.name, **names, **facts, "theirs": [], "ours": []}
                self._kept[section, side.name, key] = figure
            kept = self._kept[section, side.name, key]
            kept["theirs"].append(round(theirs[key], 3))
            kept["ours"].append(round(ours[key], 3))

    def figures(self) -> list[dict[str, Any]]:
        """All of them, in the order of the tables."""
        return sorted(self._kept.values(), key=order)

    def json(self, environments: set[str]) -> dict[str, Any]:
        """All of it, with where it was measured and every version."""
        return {
            "plan": self.plan.name,
            "rounds": self.rounds,
            "began": dt.datetime.fromtimestamp(self.began, dt.timezone.utc).isoformat(" ", "minutes"),
            "minutes": round((time.time() - self.began) / 60, 1),
            "machine": self.machine,
            "versions": of_programs() | {name: version(name) for name in sorted(environments)},
            "notes": self.notes,
            "failed": self.failed,
            "figures": self.figures(),
        }

    def write(self, folder: Path, environments: set[str]) -> dict[str, Any]:
        """`results.json` and `tables.md`; what they hold."""
        folder.mkdir(parents=True, exist_ok=True)
        results = self.json(environments)
        (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
        (folder / "tables.md").write_text(report.markdown(results))
        return results


def order(figure: dict[str, Any]) -> tuple[object, ...]:
    """By section and figure; 8 connections come before 64."""
    count, _, noun = figure["variant"].partition(" ")
    return (
        figure["section"],
        figure["work"] not in ("", "echo"),
        figure["figure"],
        int(count),
        noun,
        figure["side"],
    )


def machine() -> dict[str, str]:
    """What the figures depend on, by name; asked before the run, so the load is that of everything else."""
    model = "unknown"
    if (info := Path("/proc/cpuinfo")).is_file():
        models = [line.partition(": ")[2] for line in info.read_text().splitlines() if "model name" in line]
        model = models[0] if models else model
    return {
        "processor": f"{model}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "fsync of 4 KiB": f"{fsync_ms():.2f} ms",
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def fsync_ms() -> float:
    """Of an append, in the folder where the queues are; the median of a hundred."""
    took = []
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(100):
            file.write(bytes(4096))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return sorted(took)[50] * 1e3


def of_programs() -> dict[str, str]:
    found = {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version}
    for name, option in (("wrk", "-v"), ("redis-server", "--version"), ("postgres", "--version")):
        said = subprocess.run([program(name), option], capture_output=True, text=True).stdout.split()
        found[name] = next(
            word.removeprefix("v=").removeprefix("debian/") for word in said if any(map(str.isdigit, word))
        )
    return found


def plot(folder: Path) -> None:
    """PNGs beside `results.json`, made in the plots' own environment."""
    script = Path(__file__).parent / "plots.py"
    subprocess.run([str(make("plots") / "python"), str(script), str(folder)], check=True)


def publish(folder: Path, pages: Path) -> None:
    """Put what the documentation shows where its page looks for it."""
    pages.mkdir(parents=True, exist_ok=True)
    for path in (folder / "results.json", *folder.glob("*.png")):
        shutil.copyfile(path, pages / path.name)
