"""The first worker says which functions there are."""

from __future__ import annotations

import asyncio

from workerkit.errors import CannotServe
from workerkit.host.owner import Owner
from workerkit.host.worker import Worker
from workerkit.wire import Descriptor


class Discovery(Owner):
    """Owns a worker until it has said what the target holds."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._found: asyncio.Future[list[Descriptor]] = asyncio.get_running_loop().create_future()

    async def functions(self, worker: Worker, timeout: float) -> list[Descriptor]:
        """What it holds. Raises `CannotServe` when the worker ends, or takes longer than `timeout` seconds."""
        if worker.functions is not None:
            return worker.functions
        try:
            return await asyncio.wait_for(self._found, timeout)
        except asyncio.TimeoutError:
            worker.kill("it took too long to load the target")
            raise CannotServe(
                f"{self._target} was not imported within workers.start_timeout, {timeout:g} s"
            ) from None
        except asyncio.CancelledError:
            worker.kill("nobody needs it any more")
            raise

    def on_hello(self, worker: Worker, functions: list[Descriptor]) -> None:
        """It has imported the target."""
        if not self._found.done():
            self._found.set_result(functions)

    def _why(self, worker: Worker) -> str:
        why = worker.why_not_ready(self._target)
        return why if worker.unfit else f"the worker {why}"

    def on_death(self, worker: Worker) -> None:
        """It could not."""
        if not self._found.done():
            self._found.set_exception(CannotServe(self._why(worker)))
