"""Reloads: settings and code are read again, one reload at a time, and the newest wish counts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from workerkit.errors import WorkerkitError
from workerkit.handlers import shown
from workerkit.host.host import Found, Host
from workerkit.host.tasks import background
from workerkit.loading import resettled, worker_refs
from workerkit.rereading import check_counts, read_at_start, without_effect
from workerkit.settings import Settings

log = logging.getLogger(__name__)

#: What is said to somebody who asks at a moment at which it cannot be done at once.
STARTING = "the server is still starting; it reads code and settings again once it has started"
UNDER_WAY = (
    "another reload was asked for: the one under way gives way to it, and code and settings are read again"
)


class Reloading:
    """Reloads what a host serves, whenever somebody asks. A wish that comes at a bad moment is remembered.

    However many come before it can be done, it is done once. What an earlier reload is still
    importing is given up, for it may hang.
    """

    def __init__(
        self,
        host: Host,
        target: str,
        settings: Settings,
        read_again: Callable[[], Settings],
        environment: Callable[[], Mapping[str, str]],
    ) -> None:
        self._host = host
        self._target = target
        #: Those of the start, and those of the last reload.
        self._first = self._settings = settings
        self._read_again = read_again
        self._environment = environment
        self._asked = asyncio.Event()
        self._hindrance = STARTING
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Have settings and code read again."""
        if self._hindrance and not self._asked.is_set():
            log.info("%s", self._hindrance)
        self._asked.set()

    def start(self) -> None:
        """The server has started: do what was asked for, now and later."""
        self._hindrance = ""
        self._task = background(self._run(), "reloading")

    async def close(self) -> None:
        """Reload nothing more; a reload under way comes to nothing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            self._hindrance = UNDER_WAY
            try:
                await self._reload()
            except WorkerkitError as error:
                log.error("nothing was reloaded: %s", error)
            except Exception:  # whatever it was, the next one may do
                log.exception("nothing was reloaded")
            finally:
                self._hindrance = ""

    async def _reload(self) -> None:
        """Once; whatever is wrong with settings or code, the server goes on as before."""
        found = await self._unless_asked_again()
        if found is None:
            return
        await self._host.reload(found)
        settings, before = found.settings, self._settings
        self._settings = settings
        if changed := read_at_start(self._first, settings, self._host.hooks.plugins):
            log.warning("changed, and read at the next start only: %s", ", ".join(changed))
        if settings.profile != before.profile:
            log.info(
                "the settings build on %s now, and built on %s before", _profile(settings), _profile(before)
            )
        for sentence in without_effect(settings):
            log.warning("%s", sentence)
        log.info("reloaded %s; workers are replaced one by one", shown(self._target))

    async def _unless_asked_again(self) -> Found | None:
        """What is there now; None when somebody asks again before that is known."""
        looking, asked = asyncio.create_task(self._look()), asyncio.create_task(self._asked.wait())
        try:
            await asyncio.wait({looking, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
            if not looking.done():
                looking.cancel()
                await asyncio.wait({looking})
        return None if looking.cancelled() else looking.result()

    async def _look(self) -> Found:
        settings = self._read_again()
        check_counts(settings)
        # Aside, because modules of plugins that are new in [plugins] are imported to be checked.
        plugins = await asyncio.to_thread(resettled, self._host.hooks.plugins, settings)
        return await self._host.look(settings, worker_refs(plugins), self._environment())


def _profile(settings: Settings) -> str:
    return f"profile {settings.profile}" if settings.profile else "no profile"
