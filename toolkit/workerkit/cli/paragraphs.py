"""One job for people: its facts line by line, texts with their own lines, JSON where it was JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from workerkit.cli.tables import with_times

#: What the status object calls a fact, and what it is called here.
FACTS = {
    "status": "status",
    "workerId": "worker",
    "retries": "started again",
    "delayTime": "waited",
    "executionTime": "ran",
}
TIMES = ("delayTime", "executionTime")


def paragraphs(answer: Mapping[str, Any]) -> str:
    """The answer of `GET /jobs/ID`."""
    return "\n".join(_lines(answer))


def _lines(answer: Mapping[str, Any]) -> Iterator[str]:
    job = answer["job"]
    facts = {"job": job["id"], "function": answer["endpoint"], "attempt": str(answer["attempt"])}
    for name, heading in FACTS.items():
        if name in job:
            facts[heading] = f"{job[name]:,} ms" if name in TIMES else str(job[name])
    width = max(map(len, facts)) + 2
    yield from (f"{heading:{width}}{fact}" for heading, fact in facts.items())
    if "error" in job:
        yield from _text("error", _error(str(job["error"])))
    if "output" in job:
        yield from _text("output", json.dumps(job["output"], indent=2, ensure_ascii=False))
    for delivery in with_times(answer["deliveries"]):
        yield from _text("delivery", json.dumps(delivery, indent=2, ensure_ascii=False))


def _text(heading: str, text: str) -> Iterator[str]:
    yield from ("", f"{heading}:", *(f"  {line}".rstrip() for line in text.splitlines()))


def _error(error: str) -> str:
    from workerkit.failures import readable

    return readable(error)
