"""What `post_job` asks for, made safe to store: whatever a plugin answers, its job's end is stored."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

from workerkit.delivery import Delivery

#: Deliveries of one plugin for one end of a job; an iterator without an end must not take all memory.
MOST = 1_000


def deliveries(answer: Any, plugin: str, maker: str) -> list[Delivery]:
    """One answer of `post_job` as deliveries of its plugin; raises what the plugin did wrong.

    Several come as any iterable: a generator's code runs here.
    """
    if answer is None:
        return []
    several = [answer] if isinstance(answer, Delivery) or not isinstance(answer, Iterable) else answer
    taken = list(islice(several, MOST + 1))
    if len(taken) > MOST:
        raise ValueError(f"it returned more than {MOST:,} deliveries")
    return [_plain(one, plugin, maker) for one in taken]


def _plain(asked: object, plugin: str, maker: str) -> Delivery:
    """The same in the toolkit's own types, which every queue can store, with whose it is.

    A plugin that takes this one's place later may not know what to do with it.
    """
    if not isinstance(asked, Delivery):
        raise TypeError(f"it returned {type(asked).__name__} where a Delivery is expected")
    return Delivery(
        target=_text(asked.target),
        body=None if asked.body is None else bytes(asked.body),
        headers={_text(name): _text(value) for name, value in asked.headers.items()},
        attempts=int(asked.attempts),
        delays=tuple(map(float, asked.delays)),
        lane=_text(asked.lane),
        plugin=plugin,
        maker=maker,
    )


def _text(text: str) -> str:
    """Of a subclass, an enumeration's member too, the text that it is."""
    return str.__str__(text)
