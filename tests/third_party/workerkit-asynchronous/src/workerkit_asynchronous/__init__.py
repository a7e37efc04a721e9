"""Every hook that may be async, async: a journal of what a plugin is told."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar

import attrs
from attrs.validators import min_len

from workerkit import Delivery, Field, Job, Output, Receipt, Refused, Request, Result, WorkerInfo, hookimpl

FIELD = "announce"


@attrs.frozen(kw_only=True)
class AsynchronousSettings:
    """`[plugin.asynchronous]`."""

    #: The journal; host and workers add to it.
    file: str = attrs.field(default="journal.log", validator=min_len(1))


class Asynchronous:
    """The loop that runs these is the process's own, one for all hooks, so they may share a lock."""

    Settings = AsynchronousSettings
    fields: ClassVar = {FIELD: Field(str)}

    def __init__(self, settings: AsynchronousSettings) -> None:
        self._file = Path(settings.file)
        self._turn = asyncio.Lock()

    @hookimpl
    async def accept(self, request: Request) -> None:
        """Only for requests with the field, because the plugin declares it."""
        word = request.fields[FIELD]
        if not word:
            raise Refused("announce is empty; give it a word, or leave it out")
        await self._write(f"accept {word}")

    @hookimpl
    async def pre_job(self, job: Job) -> None:
        """In the worker, while the job's thread waits."""
        await self._write(f"pre_job {job.id}")

    @hookimpl
    async def on_output(self, job: Job, output: Output) -> None:
        """Add the word to an output that can take it."""
        if isinstance(output.value, dict) and FIELD in job.fields:
            output.value = {**output.value, "announced": job.fields[FIELD]}
        await self._write(f"on_output {job.id}")

    @hookimpl
    async def post_job(self, request: Request, result: Result) -> Delivery | None:
        """In the host, with 5 seconds to decide."""
        await self._write(f"post_job {request.id} {result.status.value}")
        word = request.fields.get(FIELD)
        return None if word is None else Delivery(target=str(self._file), body=word.encode(), attempts=3)

    @hookimpl
    async def deliver(self, delivery: Delivery) -> Receipt:
        """In the host, for as long as it takes."""
        await self._write(f"deliver {(delivery.body or b'').decode()}")
        return Receipt.delivered()

    @hookimpl
    async def worker_start(self, worker: WorkerInfo) -> None:
        """Before the worker takes its first job."""
        await self._write(f"worker_start {worker.endpoint}")

    @hookimpl
    async def worker_stop(self, worker: WorkerInfo) -> None:
        """After its last."""
        await self._write(f"worker_stop {worker.endpoint}")

    async def _write(self, line: str) -> None:
        async with self._turn:
            await asyncio.to_thread(self._append, f"{line}\n")

    def _append(self, text: str) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(text)
