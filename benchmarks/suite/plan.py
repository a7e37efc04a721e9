"""How much is measured: a quick look, or all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from suite.sides import CORES


@attrs.frozen
class Plan:
    """`work`, `connections` and `drained` go by the handler's milliseconds."""

    name: str
    rounds: int
    minutes: float  # no round begins that would end after so many
    seconds: int  # of load for each figure
    connections: Mapping[int, Sequence[int]]
    drained: Sequence[int]
    processes: Sequence[int]
    share: float  # of the jobs that a full run drains
    work: Mapping[int, str] = {0: "echo", 1: "1 ms"}


QUICK = Plan(
    name="quick",
    rounds=3,
    minutes=9.5,
    seconds=1,
    connections={0: (1, 8, 64), 1: (8,)},
    drained=(0,),
    processes=(1,),
    share=0.2,
)
FULL = Plan(
    name="full",
    rounds=5,
    minutes=120,
    seconds=2,
    connections={0: (1, 8, 64), 1: (1, 8, 64)},
    drained=(0, 1),
    processes=tuple(sorted({1, CORES})),
    share=1,
)
PLANS = {plan.name: plan for plan in (QUICK, FULL)}
