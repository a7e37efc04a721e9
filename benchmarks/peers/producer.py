"""The producer's side of every queue: what a peer's adapter gives `main` to be called by the suite.

python NAME_peer.py enqueue COUNT MS      COUNT jobs one by one, each acknowledged; then the seconds it took
python NAME_peer.py latency COUNT FIRST   COUNT jobs, each when the last has run; then the milliseconds of each
python NAME_peer.py result ID             what is stored of a job that has ended
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import time

from job import MARKS


async def settled(value):
    return await value if inspect.isawaitable(value) else value


async def enqueue(put, count, ms):
    last, began = None, time.perf_counter()
    for n in range(count):
        last = put({"n": n, "ms": ms})
        if inspect.isawaitable(last):
            last = await last
    return {"seconds": time.perf_counter() - began, "last": last}


async def latency(put, count, first):
    took = []
    for n in range(first, first + count):
        began = time.monotonic_ns()
        await settled(put({"n": n, "ms": 0}))
        took.append((MARKS.wait(n, 20) - began) / 1e6)
    return took


async def main(put, result=None, prepare=None):
    """`put(input)` enqueues and returns an id; `result(id)` reads what was stored; either may be async."""
    mode, *values = sys.argv[1:]
    if prepare:
        await settled(prepare())
    if mode == "enqueue":
        answer = await enqueue(put, *map(int, values))
    elif mode == "latency":
        answer = await latency(put, *map(int, values))
    else:
        answer = await settled(result(values[0]))
    print(json.dumps(answer), flush=True)
    os._exit(0)  # a client's threads and pools are not what is measured


def start(*arguments, **options):
    asyncio.run(main(*arguments, **options))
