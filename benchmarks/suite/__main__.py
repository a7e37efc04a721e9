"""workerkit beside its peers, in turns, so that a slow minute of the machine hits both.

    make bench QUICK=1      one worker process, three short rounds; up to 10 minutes
    make bench              all of it, for docs/performance.md

Results go to .bench/quick or .bench/full. Environments of the peers are made on first use, in .bench/environments.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import attrs

from suite import accepting, http, parts, queues, start
from suite.environments import KEPT, Missing, make, require
from suite.plan import PLANS, Plan
from suite.processes import Failed
from suite.results import Figures, Results, machine, plot, publish
from suite.services import NEEDS
from suite.sides import ACCEPTING, HTTP, OURS_ACCEPTING, OURS_HTTP, OURS_START, STARTS, Side, ours
from suite.sides import queues as every_queue

PAGES = KEPT.parent / "docs" / "performance"


@attrs.frozen
class Comparison:
    """Peers and us at the same work, one after the other."""

    section: str
    sides: Sequence[Side]
    theirs: Callable[..., Figures]
    ours: Callable[[], Figures]

    def round(self, ours_first: bool) -> tuple[list[Figures], Figures]:
        """Theirs, and ours of the same minute."""
        if ours_first:
            found = self.ours()
            return [self.theirs(side) for side in self.sides], found
        return [self.theirs(side) for side in self.sides], self.ours()

    def __str__(self) -> str:
        return f"{self.section}: {', '.join(side.name for side in self.sides)}"


def every(plan: Plan) -> Iterator[Comparison]:
    starts = partial(start.measured, plan=plan)
    yield Comparison("start", STARTS, starts, partial(starts, OURS_START))
    servers = partial(http.measured, plan=plan)
    for server in HTTP:
        alike = attrs.evolve(OURS_HTTP, connections=server.connections)
        yield Comparison("http", [server], servers, partial(servers, alike))
    takes = partial(accepting.measured, plan=plan)
    yield Comparison("accepting", ACCEPTING, takes, partial(takes, OURS_ACCEPTING))
    alone = partial(parts.measured, plan=plan)
    echo = attrs.evolve(plan, drained=(0,))
    yield Comparison("queues", parts.PARTS, alone, partial(queues.measured, ours(1), echo))
    drains = partial(queues.measured, plan=plan)
    for processes in plan.processes:
        for queue in every_queue(processes):
            yield Comparison("queues", [queue], drains, partial(drains, ours(processes)))


def run(plan: Plan, chosen: Sequence[Comparison]) -> Results:
    results = Results(plan, machine())
    while results.rounds < plan.rounds and time_for_another(results):
        for each in chosen:
            began = time.monotonic()
            try:
                theirs, found = each.round(ours_first=results.rounds % 2 == 1)
            except (Failed, subprocess.SubprocessError) as error:
                print(error, file=sys.stderr)
                reason = str(error).splitlines()[0]
                results.failed.append(f"round {results.rounds + 1}, {each}: {reason}")
            else:
                for side, figures in zip(each.sides, theirs, strict=True):
                    results.note(each.section, side, figures, found)
            took = time.monotonic() - began
            print(f"round {results.rounds + 1} of {plan.rounds}, {each}: {took:.0f} s", file=sys.stderr)
        results.rounds += 1
    return results


def time_for_another(results: Results) -> bool:
    """Whether a round that takes as long as those before it would end in time."""
    took = (time.time() - results.began) / 60
    return not results.rounds or took * (1 + 1 / results.rounds) < results.plan.minutes


def prepare(environments: Iterable[str]) -> None:
    """Before anything is measured: see that all is there, and make what can be made."""
    try:
        require({"wrk", *NEEDS.values()})
        for name in (*environments, "plots"):
            make(name)
    except Missing as missing:
        sys.exit(f"Error: {missing}")


def listed(comparisons: Iterable[Comparison]) -> str:
    return "\n".join(f"  {name}" for name in dict.fromkeys(map(str, comparisons)))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="suite", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("plan", choices=sorted(PLANS))
    parser.add_argument("only", nargs="*", help="words of what to measure, such as http or celery")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--publish", action="store_true", help="show the results in docs/performance.md")
    options = parser.parse_intermixed_args()
    plan = PLANS[options.plan]
    if options.rounds:
        plan = attrs.evolve(plan, rounds=options.rounds)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that what was started is stopped too
    words = [word.lower() for word in options.only]
    chosen = [each for each in every(plan) if not words or any(word in str(each).lower() for word in words)]
    if not chosen:
        sys.exit(f"Error: nothing is called {' or '.join(options.only)}; there are\n{listed(every(plan))}")
    environments = {side.environment for each in chosen for side in each.sides} - {""}
    prepare(environments)
    results = run(plan, chosen)
    folder = KEPT / plan.name
    results.write(folder, environments)
    plot(folder)
    if options.publish and not options.only:
        publish(folder, PAGES)
    print((folder / "tables.md").read_text())
    print(f"kept in {folder}", file=sys.stderr)
    if results.rounds < plan.rounds:
        print(f"{plan.rounds} rounds would have taken more than {plan.minutes} minutes", file=sys.stderr)
    if results.failed:
        sys.exit(f"{len(results.failed)} of the comparisons failed; see the end of the tables")


if __name__ == "__main__":
    main()
