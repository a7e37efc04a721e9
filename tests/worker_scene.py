"""What a worker prints, and what comes of it in the host: a stage for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

from workerkit.host.output import WorkerOutput
from workerkit.host.printed import Logbook
from workerkit.host.run import Run
from workerkit.host.worker import Worker
from workerkit.job import Request
from workerkit.queue import Record
from workerkit.redaction import Redactor
from workerkit.settings import LogsSettings
from workerkit.states import Status


def run(id: str, attempt: int = 1, secret: str | None = None, output: WorkerOutput | None = None) -> Run:
    """A run; one of the worker whose `output` it is, when that matters."""
    record = Record(id=id, endpoint="render", status=Status.IN_PROGRESS, attempt=attempt, input=b"1")
    # Neither is looked at: who prints is known by the record alone.
    request, worker = cast(Request, None), cast(Worker, None)
    redactor = Redactor(()) if output is None else output.redactor
    return Run(record, request, worker, 0.0, redactor, set() if secret is None else {secret})


class Scene:
    """A worker's output, and what came of it."""

    def __init__(self, settings: LogsSettings | None = None) -> None:
        self.kept: dict[tuple[str, int], str] = {}
        self.book = Logbook(settings or LogsSettings(), self._keep)
        self.output = WorkerOutput("w", self.book)
        self.output.marked_by("tag")

    async def _keep(self, id: str, attempt: int, text: bytes) -> None:
        self.kept[id, attempt] = text.decode().partition("\n")[2]

    def began(self, run: Run, *, alone: bool, only: bool = False) -> None:
        self.output.expect(run)
        self.output.began(run, alone=alone, only=only)

    def says(self, id: str, text: str, attempt: int = 1) -> None:
        self.prints(f"\x1etag:{id}:{attempt}\x1f{text}\n")

    def prints(self, text: str) -> None:
        self.output.read(text.encode())

    def text(self, id: str, attempt: int = 1) -> str:
        printed = self.book.find(id, attempt)
        return "" if printed is None else printed.after(0)[0]


def played(play: Callable[[Scene], Coroutine[Any, Any, None]], settings: LogsSettings | None = None) -> Scene:
    """A scene after a play, its logs stored."""

    async def main() -> Scene:
        scene = Scene(settings)
        await play(scene)
        await scene.book.close()
        return scene

    return asyncio.run(main())
