"""Those who wait, in memory: claimers for jobs, watchers for changes. Nobody polls."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque

import msgspec

from workerkit.queue import Claim


class Signal:
    """Remembers that something happened until one waiter has heard of it."""

    def __init__(self) -> None:
        self._raised = False
        self._waiters: list[asyncio.Future[None]] = []

    def set(self) -> None:
        """It happened."""
        self._raised = True
        for waiter in self._waiters:
            _wake(waiter)
        self._waiters.clear()

    async def wait(self, timeout: float) -> bool:
        """Wait until it happened since the last call; False when `timeout` seconds passed."""
        if not self._raised:
            loop = asyncio.get_running_loop()
            waiter = loop.create_future()
            self._waiters.append(waiter)
            timer = loop.call_later(timeout, _wake, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
        raised, self._raised = self._raised, False
        return raised


class JobWatch(Signal):
    """One listener of one job, while a `with` block runs. `changed` is that of `queue.base.Watch`."""

    changed = Signal.wait

    def __init__(self, listeners: dict[str, list[JobWatch]], id: str) -> None:
        super().__init__()
        self.body: bytes | None = None
        self._listeners = listeners
        self._id = id

    def __enter__(self) -> JobWatch:
        self._listeners.setdefault(self._id, []).append(self)
        return self

    def __exit__(self, *_: object) -> None:
        mine = self._listeners[self._id]
        mine.remove(self)
        if not mine:
            del self._listeners[self._id]


class Watches:
    """All listeners, by the id of their job."""

    def __init__(self) -> None:
        self._by_id: dict[str, list[JobWatch]] = {}

    def watch(self, id: str) -> JobWatch:
        """A listener, for a `with` block."""
        return JobWatch(self._by_id, id)

    def wake(self, changes: list[tuple[str, bytes | None]]) -> None:
        """Tell the listeners of these jobs; a body comes with an end, None takes it back."""
        if not self._by_id:
            return
        for id, body in changes:
            for watch in self._by_id.get(id, ()):
                watch.body = body
                watch.set()

    def wake_all(self) -> None:
        """Tell everybody."""
        self.wake([(id, None) for id in self._by_id])


class Claimer(msgspec.Struct, eq=False):
    """A call of `claim` that has not been answered."""

    endpoint: str
    n: int
    holder: str
    future: asyncio.Future[list[Claim]]
    #: Whether it waits when there is nothing.
    stays: bool
    claims: list[Claim] = msgspec.field(default_factory=list)

    @property
    def wants(self) -> bool:
        """Whether it may be given another job."""
        return len(self.claims) < self.n and not self.future.done()

    def answer(self) -> None:
        """Give it what it has."""
        if not self.future.done():
            self.future.set_result(self.claims)


class Claimers:
    """Who waits for jobs of which endpoint, and which endpoints may have some waiting."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, deque[Claimer]] = defaultdict(deque)
        #: Endpoints whose last claim left nothing behind. All others may have a backlog.
        self._drained: set[str] = set()

    def has_backlog(self, endpoint: str) -> bool:
        """Whether jobs of this endpoint may be waiting in the database."""
        return endpoint not in self._drained

    def drained(self, endpoint: str) -> None:
        """A claim found fewer jobs than it wanted."""
        self._drained.add(endpoint)

    def filled(self, endpoint: str) -> None:
        """A job was put where only a claim finds it."""
        self._drained.discard(endpoint)

    def wait(self, claimer: Claimer) -> None:
        """Let it wait behind the others."""
        self._waiting[claimer.endpoint].append(claimer)

    def first(self, endpoint: str) -> Claimer | None:
        """The longest waiting claimer that wants a job; it stays where it is."""
        waiting = self._waiting.get(endpoint)
        while waiting:
            if waiting[0].wants:
                return waiting[0]
            waiting.popleft()
        return None

    def pop(self, endpoint: str) -> Claimer | None:
        """The same, taken out."""
        claimer = self.first(endpoint)
        if claimer is not None:
            self._waiting[endpoint].popleft()
        return claimer

    def leave(self, claimer: Claimer) -> None:
        """It waits no longer."""
        waiting = self._waiting.get(claimer.endpoint)
        if waiting and claimer in waiting:
            waiting.remove(claimer)

    def undo(self, handed: list[tuple[Claimer, Claim]]) -> None:
        """Take back jobs that no claimer has seen, because their transaction is gone."""
        for claimer, claim in reversed(handed):
            if not claimer.future.done():
                claimer.claims.remove(claim)
                self._waiting[claimer.endpoint].appendleft(claimer)
        self._drained.clear()

    def endpoints(self) -> list[str]:
        """Endpoints that somebody waits for."""
        return [endpoint for endpoint, waiting in self._waiting.items() if waiting]

    def dismiss(self) -> None:
        """Answer everybody with nothing: the queue closes."""
        for waiting in self._waiting.values():
            for claimer in waiting:
                claimer.answer()
        self._waiting.clear()
        self._drained.clear()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
