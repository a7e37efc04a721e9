"""By what deliveries are chosen: a filter from named texts, and a sentence for one that can find nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from workerkit.errors import ApiError, suggest
from workerkit.guard import parse
from workerkit.host.times import point
from workerkit.queue import DeliveryFilter, DeliveryState

#: What a list of deliveries, and a redelivery of many, can be narrowed by.
FILTERS = ("state", "job", "endpoint", "plugin", "host", "since", "until")
ON_ITS_WAY = (DeliveryState.PENDING, DeliveryState.SENDING)


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


def check_endpoint(endpoint: str, known: Iterable[str]) -> None:
    """Refuse the name of a function that the queue never held."""
    if endpoint not in known:
        raise _bad(f"the queue holds no function {endpoint[:63]!r}{suggest(endpoint[:63], known)}")


def check_many(wanted: DeliveryFilter) -> None:
    """Refuse to send again what nothing was said of, and what is on its way."""
    if wanted == DeliveryFilter():
        raise _bad(f"say which deliveries are meant: give at least one of {', '.join(FILTERS)}")
    if wanted.state in ON_ITS_WAY:
        raise _bad(f"deliveries that are {wanted.state.value} are on their way already; wait for them")


def check_plugin(plugin: str, active: Collection[str]) -> None:
    """Refuse a plugin that is not active; none of that name has asked for a delivery that is still there."""
    if plugin not in active:
        raise _bad(
            f"no plugin {plugin[:60]!r} is active, and none of that name has left deliveries"
            f"{suggest(plugin[:60], active)}"
        )


def no_job(job: str) -> ApiError:
    """There is neither a job of that id nor a delivery that has outlived it."""
    return _bad(
        f"there is no job {job[:100]!r}, and no delivery of one; `workerkit jobs list` shows those there are"
    )


def lane_of(target: str) -> str:
    """The lane of a target as lists show it; one that is no URL is its own."""
    try:
        return _lane(target)
    except ApiError:
        return target


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
