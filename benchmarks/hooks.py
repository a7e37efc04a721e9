"""What plugins cost a job: every hook of its path, with 0, 1, 3 and 10 plugins, through workerkit and through bare pluggy.

    python benchmarks/hooks.py
    python benchmarks/hooks.py --rounds 21 --json hooks.json

Each plugin implements the four hooks that are called for every job, and does nothing in them. Both
sides are timed in turns; medians, in microseconds a job.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pluggy
from rich import box
from rich.console import Console
from rich.table import Table

from workerkit import Job, Output, Request, Result, Status, hookimpl, hookspecs, worker_function
from workerkit.bridge import Bridge
from workerkit.hooks import Hooks, LoadedPlugin
from workerkit.loading import load_plugins
from workerkit.runner import Runner
from workerkit.settings import PluginsSettings, Settings

COUNTS = (0, 1, 3, 10)
JOBS = 2_000


class Nothing:
    """Listens to everything that happens to a job."""

    @hookimpl
    def pre_job(self, job):
        """Called before."""

    @hookimpl(wrapper=True)
    def run_job(self, job):
        """Around."""
        return (yield)

    @hookimpl
    def on_output(self, job, output):
        """Called with what comes out."""

    @hookimpl(inline=True)
    def post_job(self, request, result):
        """Called at the end."""


class Plain:
    """The same without a wrapper, as most plugins are."""

    pre_job, on_output, post_job = Nothing.pre_job, Nothing.on_output, Nothing.post_job


REQUEST = Request(id="j", endpoint="noop", raw_input=b"1")
RESULT = Result(status=Status.COMPLETED, attempt=1, output=b"1")


def one_job(hooks: Hooks) -> Callable[[], None]:
    """A job's four calls through workerkit's face."""
    job, output = Job(id="j", endpoint="noop", input=1), Output(1)

    def run() -> None:
        hooks.pre_job(job)
        hooks.run_job(job, lambda: output)
        hooks.on_output(job, output)
        ended = hooks.post_job(REQUEST, RESULT)
        try:
            ended.send(None)
        except StopIteration:
            return
        raise RuntimeError("post_job waited, though every plugin is inline")

    return run


def one_pluggy_job(plugins: list[object]) -> Callable[[], None]:
    """The same calls through pluggy's own callers."""
    manager = pluggy.PluginManager("workerkit")
    manager.add_hookspecs(hookspecs)
    for number, plugin in enumerate(plugins):
        manager.register(plugin, str(number))
    job, output, hook = Job(id="j", endpoint="noop", input=1), Output(1), manager.hook

    def run() -> None:
        hook.pre_job(job=job)
        hook.run_job(job=job)
        hook.on_output(job=job, output=output)
        hook.post_job(request=REQUEST, result=RESULT)

    return run


def whole_run(hooks: Hooks, bridge: Bridge) -> Callable[[], None]:
    """A job through the runner: decode, hooks, handler, encode; and its `post_job`."""

    @worker_function(name="noop")
    def noop(job):
        return job.input

    runner = Runner(noop, hooks, bridge)

    def run() -> None:
        runner.run(runner.job(id="j", input=b"1"), lambda number, chunk: None)
        ended = hooks.post_job(REQUEST, RESULT)
        try:
            ended.send(None)
        except StopIteration:
            return

    return run


def loaded(kind: type, count: int) -> list[LoadedPlugin]:
    return [LoadedPlugin(name=f"nothing_{number}", plugin=kind()) for number in range(count)]


def sides(bridge: Bridge) -> dict[str, Callable[[], None]]:
    """Everything that is timed, by row and column."""
    made: dict[str, Callable[[], None]] = {}
    for name, kind in (("three hooks each", Plain), ("and a wrapper", Nothing)):
        for count in COUNTS:
            plugins = loaded(kind, count)
            made[f"workerkit, {name}|{count}"] = one_job(Hooks(plugins, bridge))
            made[f"bare pluggy, {name}|{count}"] = one_pluggy_job([each.plugin for each in plugins])
    for count in COUNTS:
        made[f"a whole run, three hooks each|{count}"] = whole_run(
            Hooks(loaded(Plain, count), bridge), bridge
        )
    builtins = Hooks(load_plugins(Settings(plugins=PluginsSettings(autoload=("workerkit",)))), bridge)
    made["the five built-ins|5"] = one_job(builtins)
    return made


def timed(run: Callable[[], None]) -> float:
    """Microseconds a job."""
    begin = time.perf_counter()
    for _ in range(JOBS):
        run()
    return (time.perf_counter() - begin) / JOBS * 1e6


def measure(rounds: int) -> dict[str, float]:
    bridge = Bridge()
    try:
        made = sides(bridge)
        times: dict[str, list[float]] = {name: [] for name in made}
        for _ in range(rounds):
            for name, run in made.items():
                times[name].append(timed(run))
    finally:
        bridge.close()
    return {name: statistics.median(each) for name, each in times.items()}


def table(medians: dict[str, float]) -> Table:
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="µs a job, median")
    for heading in ("plugins", *map(str, COUNTS), "5"):
        made.add_column(heading, justify="left" if heading == "plugins" else "right")
    rows: dict[str, dict[str, str]] = {}
    for name, value in medians.items():
        row, _, count = name.rpartition("|")
        rows.setdefault(row, {})[count] = f"{value:.2f}"
    for row, cells in rows.items():
        made.add_row(row, *(cells.get(count, "") for count in (*map(str, COUNTS), "5")))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", type=Path)
    chosen: Any = parser.parse_args()
    medians = measure(chosen.rounds)
    Console().print(table(medians))
    if chosen.json:
        chosen.json.write_text(json.dumps(medians, indent=2))


if __name__ == "__main__":
    main()
