"""What leaves a host when jobs end, as its API shows it: deliveries, and the ends themselves to catch up with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from workerkit.errors import ApiError, suggest
from workerkit.guard import parse
from workerkit.host.catalogue import Catalogue
from workerkit.host.journal import Journal
from workerkit.host.times import point
from workerkit.queue import DeliveryFilter, DeliveryState, EndLine, Store

#: What a list of deliveries, and a redelivery of many, can be narrowed by.
FILTERS = ("state", "job", "endpoint", "plugin", "host", "since", "until")
#: However many there are; the queue takes them in slices.
ALL = 1_000_000_000
#: Bytes of status objects in one answer, when there is more than one.
MOST_BYTES = 8_000_000
#: What is sent again when no state is asked for: what did not arrive, and still should.
UNSENT = (DeliveryState.DEAD, DeliveryState.HELD)
ON_ITS_WAY = (DeliveryState.PENDING, DeliveryState.SENDING)


class Outgoing:
    """The deliveries and events of a host. Answers are JSON bytes; every refusal is an `ApiError`."""

    def __init__(self, store: Store, catalogue: Catalogue, journal: Journal) -> None:
        self._store = store
        self._catalogue = catalogue
        self._journal = journal

    async def events(self, endpoint: str, after: str, limit: int, seconds: float) -> bytes:
        """Ends of an endpoint's jobs behind a cursor, oldest first; waits up to `seconds` for the first."""
        self._catalogue.find(endpoint)
        place = _place(endpoint, after)
        found = await self._store.ends(endpoint, place, limit + 1, MOST_BYTES, seconds)
        ends = found[:limit]
        last = ends[-1].seq if ends else place
        more = len(found) > limit
        if ends and not more:  # what did not fit in its bytes
            more = bool(await self._store.ends(endpoint, last, 1, 1, 0.0))
        events = [_event(endpoint, end) for end in ends]
        return msgspec.json.encode({"events": events, "cursor": _cursor(endpoint, last), "more": more})

    async def list(self, filters: Mapping[str, Any], after: int | None = None, limit: int = 100) -> bytes:
        """Deliveries, newest first; the answer's `after` asks for the page behind it."""
        wanted = await self._filter(filters)
        rows = await self._store.deliveries(wanted, after=after, limit=limit)
        return msgspec.json.encode({"deliveries": rows, "after": rows[-1].seq if rows else None})

    async def show(self, id: str) -> bytes:
        """One delivery, its tries and the body that it carries."""
        found = await self._store.delivery(id)
        if found is None:
            raise unknown(id)
        row, body, tries = found
        return msgspec.json.encode(
            {"delivery": row, "attempts": tries, "body": body.decode("utf-8", "replace")}
        )

    async def redeliver(self, id: str) -> bytes:
        """Send one again, with one attempt more."""
        await redeliver(self._store, id)
        return msgspec.json.encode({"id": id, "state": DeliveryState.PENDING.value})

    async def redeliver_all(self, filters: Mapping[str, Any]) -> bytes:
        """Send all again that the filters find, each with one attempt more."""
        wanted = await self._filter(filters)
        return msgspec.json.encode({"redelivered": await redeliver_all(self._store, wanted)})

    async def attempts(self, after: int | None, seconds: float) -> bytes:
        """Tries as they are made, behind a place or from now on; waits up to `seconds` for the first."""
        return msgspec.json.encode(await self._journal.after(after, seconds))

    async def _filter(self, filters: Mapping[str, Any]) -> DeliveryFilter:
        wanted = filter_of(filters, self._store.now())
        if wanted.endpoint is not None:
            check_endpoint(wanted.endpoint, await self._store.endpoints())
        return wanted


def filter_of(given: Mapping[str, Any], now: int) -> DeliveryFilter:
    """The filter that named texts ask for; times may be numbers too."""
    for name in given:
        if name not in FILTERS:
            raise _bad(f"{name[:60]!r} is no filter here{suggest(name[:60], FILTERS)}")
    times = {
        name: _time(name, given[name], now) for name in ("since", "until") if given.get(name) is not None
    }
    if "until" in times and times["until"] <= times.get("since", -1):
        raise _bad("until is not later than since, so nothing lies between them; swap them")
    state, host = _text("state", given), _text("host", given)
    known = {member.value: member for member in DeliveryState}
    if state is not None and state not in known:
        raise _bad(f"state: {state[:60]!r} is not known{suggest(state[:60], known)}")
    return DeliveryFilter(
        state=None if state is None else known[state],
        job=_text("job", given),
        endpoint=_text("endpoint", given),
        plugin=_text("plugin", given),
        lane=None if host is None else _lane(host),
        **times,
    )


def check_endpoint(endpoint: str, known: Mapping[str, Any]) -> None:
    """Refuse the name of a function that the queue never held."""
    if endpoint not in known:
        raise _bad(f"the queue holds no function {endpoint[:63]!r}{suggest(endpoint[:63], known)}")


async def redeliver(store: Store, id: str) -> None:
    """Send one again, or say why it cannot be."""
    if await store.redeliver(id):
        return
    found = await store.delivery(id)
    if found is None:
        raise unknown(id)
    raise ApiError(409, "on_its_way", f"delivery {id} is {found[0].state.value}; it is on its way already")


async def redeliver_all(store: Store, wanted: DeliveryFilter) -> int:
    """Send all again that match now, each once; how many they were.

    Those that were delivered or cancelled are sent again only when their state is asked for.
    """
    check_many(wanted)
    states = UNSENT if wanted.state is None else (wanted.state,)
    sent = 0
    for state in states:
        sent += await store.redeliver_many(attrs.evolve(wanted, state=state), ALL)
    return sent


def check_many(wanted: DeliveryFilter) -> None:
    """Refuse to send again what nothing was said of, and what is on its way."""
    if wanted == DeliveryFilter():
        raise _bad(f"say which deliveries are meant: give at least one of {', '.join(FILTERS)}")
    if wanted.state in ON_ITS_WAY:
        raise _bad(f"deliveries that are {wanted.state.value} are on their way already; wait for them")


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


def _text(name: str, given: Mapping[str, Any]) -> str | None:
    value = given.get(name)
    if value is None or (isinstance(value, str) and value):
        return value
    raise _bad(f"{name} is {str(value)[:60]!r}; it must be text, and not empty")


def _time(name: str, value: object, now: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise _bad(f"{name} must be text or a number, not {str(value)[:60]!r}")
    try:
        return point(str(value), now)
    except ValueError as error:
        raise _bad(f"{name}: {error}") from None


def _lane(host: str) -> str:
    """A URL, as lists show it, stands for its host and port; all else is a lane as its plugin names it."""
    if not host.startswith(("http://", "https://")):
        return host
    try:
        return parse(host.partition("?")[0]).lane
    except ValueError as error:
        raise _bad(f"host {error}") from None


def _bad(sentence: str) -> ApiError:
    return ApiError(400, "bad_query", sentence)
