"""What leaves a host when jobs end, as its API shows it: deliveries, and the ends themselves to catch up with."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from workerkit.errors import ApiError
from workerkit.hooks import Hooks
from workerkit.host.catalogue import Catalogue
from workerkit.host.filters import check_endpoint, check_many, check_plugin, filter_of, lane_of, no_job
from workerkit.host.journal import Journal
from workerkit.queue import DeliveryFilter, DeliveryLine, DeliveryState, EndLine, Store, Tried

#: However many there are; the queue takes them in slices.
ALL = 1_000_000_000
#: Bytes of status objects in one answer, when there is more than one.
MOST_BYTES = 8_000_000
#: What is sent again when no state is asked for: what did not arrive, and still should.
UNSENT = (DeliveryState.DEAD, DeliveryState.HELD)


class Outgoing:
    """The deliveries and events of a host. Answers are JSON bytes; every refusal is an `ApiError`.

    `resting` says to which lanes nothing is sent for now, and until when.
    """

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        journal: Journal,
        hooks: Hooks,
        resting: Callable[[], Mapping[str, int]],
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._journal = journal
        self._hooks = hooks
        self._resting = resting

    async def events(self, endpoint: str, after: str, limit: int, seconds: float) -> bytes:
        """Ends of an endpoint's jobs behind a cursor, oldest first; waits up to `seconds` for the first."""
        self._catalogue.find(endpoint)
        place = _place(endpoint, after)
        await self._check_place(endpoint, after, place)
        found = await self._store.ends(endpoint, place, limit + 1, MOST_BYTES, seconds)
        ends = found[:limit]
        last = ends[-1].seq if ends else place
        more = len(found) > limit
        if ends and not more:  # what did not fit in its bytes
            more = bool(await self._store.ends(endpoint, last, 1, 1, 0.0))
        events = [_event(endpoint, end) for end in ends]
        return msgspec.json.encode({"events": events, "cursor": _cursor(endpoint, last), "more": more})

    async def _check_place(self, endpoint: str, after: str, place: int) -> None:
        """Places are counted, so one further on than jobs have ended is of a queue that is there no more."""
        if place == 0:
            return
        counts = await self._store.counts(endpoint)
        if place > (ended := counts.completed + counts.failed + counts.cancelled + counts.timed_out):
            raise ApiError(
                400,
                "bad_cursor",
                f"after is {after[:60]!r}, but only {ended} jobs of {endpoint!r} have ended in this queue: the cursor "
                "is another queue's, or this one was restored from an older copy; begin again without after, and "
                "pass over what you have by its id",
            )

    async def list(self, filters: Mapping[str, Any], after: int | None = None, limit: int = 100) -> bytes:
        """Deliveries, newest first; the answer's `after` asks for the page behind it, if there is one."""
        wanted = await self._filter(filters)
        found = await self._store.deliveries(wanted, after=after, limit=limit + 1)
        if not found:
            await self._check_names(wanted)
        return msgspec.json.encode(page_of(found, limit, self._resting()))

    async def show(self, id: str) -> bytes:
        """One delivery, its tries and the body that it carries."""
        found = await self._store.delivery(id)
        if found is None:
            raise unknown(id)
        return msgspec.json.encode(shown(found, self._resting()))

    async def redeliver(self, id: str) -> bytes:
        """Send one again, with one attempt more."""
        await redeliver(self._store, self._hooks, id)
        return msgspec.json.encode({"id": id, "state": DeliveryState.PENDING.value})

    async def redeliver_all(self, filters: Mapping[str, Any]) -> bytes:
        """Send all again that the filters find, each with one attempt more."""
        wanted = await self._filter(filters)
        await self._check_names(wanted)
        sent = await redeliver_all(self._store, self._hooks, wanted)
        return msgspec.json.encode({"redelivered": sent})

    async def attempts(self, after: int | None, seconds: float) -> bytes:
        """Tries as they are made, behind a place or from now on; waits up to `seconds` for the first."""
        return msgspec.json.encode(await self._journal.after(after, seconds))

    async def _filter(self, filters: Mapping[str, Any]) -> DeliveryFilter:
        wanted = filter_of(filters, self._store.now())
        if wanted.endpoint is not None:
            check_endpoint(wanted.endpoint, await self._store.endpoints())
        return wanted

    async def _check_names(self, wanted: DeliveryFilter) -> None:
        """Refuse a plugin and a job of which there is nothing at all."""

        async def nothing(chosen: DeliveryFilter) -> bool:
            return not await self._store.deliveries(chosen, after=None, limit=1)

        plugin, job = wanted.plugin, wanted.job
        if (
            plugin is not None
            and plugin not in self._hooks.names
            and await nothing(DeliveryFilter(plugin=plugin))
        ):
            check_plugin(plugin, self._hooks.names)
        if job is not None and await self._store.view(job) is None and await nothing(DeliveryFilter(job=job)):
            raise no_job(job)


def page_of(found: Sequence[DeliveryLine], limit: int, resting: Mapping[str, int]) -> dict[str, Any]:
    """A page of deliveries; of `found` there is one more than fit in it when there is a page behind it."""
    rows = found[:limit]
    return {
        "deliveries": rows,
        "after": rows[-1].seq if len(found) > limit else None,
        "resting": [{"host": lane, "until": until} for lane, until in sorted(resting.items())],
    }


def shown(
    found: tuple[DeliveryLine, bytes, Sequence[Tried]], resting: Mapping[str, int] | None = None
) -> dict[str, Any]:
    """One delivery; `resting_until` when its receiver is let rest, `body_base64` when its body is no text."""
    row, body, tries = found
    answer: dict[str, Any] = {"delivery": row, "attempts": tries}
    if until := (resting or {}).get(lane_of(row.target)):
        answer["resting_until"] = until
    try:
        return {**answer, "body": body.decode()}
    except UnicodeDecodeError:
        return {**answer, "body": None, "body_base64": base64.b64encode(body).decode()}


async def redeliver(store: Store, hooks: Hooks, id: str) -> None:
    """Send one again, or say why it cannot be."""
    found = await store.delivery(id)
    if found is None:
        raise unknown(id)
    _check_deliverable(hooks, found[0].plugin)
    if await store.redeliver(id):
        return
    raise ApiError(409, "on_its_way", f"delivery {id} is {found[0].state.value}; it is on its way already")


async def redeliver_all(store: Store, hooks: Hooks, wanted: DeliveryFilter) -> int:
    """Send all again that match now, each once; how many they were.

    Those that were delivered or cancelled are sent again only when their state is asked for.
    """
    check_many(wanted)
    if wanted.plugin is not None:
        _check_deliverable(hooks, wanted.plugin)
    states = UNSENT if wanted.state is None else (wanted.state,)
    sent = 0
    for state in states:
        sent += await store.redeliver_many(msgspec.structs.replace(wanted, state=state), ALL)
    return sent


def _check_deliverable(hooks: Hooks, plugin: str) -> None:
    """Refuse to send again what would only be held."""
    if why := hooks.undeliverable(plugin, ""):
        raise ApiError(409, "no_plugin", why)


def unknown(id: str) -> ApiError:
    """There is no delivery of that id."""
    return ApiError(
        404,
        "unknown_delivery",
        f"there is no delivery {id[:100]!r}; `workerkit deliveries list` shows those there are",
    )


def _event(endpoint: str, end: EndLine) -> dict[str, Any]:
    return {
        "cursor": _cursor(endpoint, end.seq),
        "id": f"msg_{end.id}_{end.attempt}",
        "timestamp": end.finished_at,
        "job": msgspec.Raw(end.body),
    }


def _cursor(endpoint: str, place: int) -> str:
    """Places are counted for each endpoint, so a cursor says of which it is one."""
    return f"{endpoint}.{place}"


def _place(endpoint: str, cursor: str) -> int:
    if not cursor:
        return 0
    name, _, place = cursor.rpartition(".")
    if name == endpoint and place.isascii() and place.isdigit() and len(place) < 19:
        return int(place)
    raise ApiError(
        400,
        "bad_cursor",
        f"after is {cursor[:60]!r}, which is no cursor of {endpoint!r}; give one that an earlier answer held, or "
        "leave it out to begin with the oldest event that is kept",
    )
