"""What stands before a plugin and is it in every way, but that each call of a hook is seen."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any

import attrs

from workerkit.hooks import LoadedPlugin, implementations

Hook = Callable[..., Any]


@attrs.define
class Seen:
    """One call of a hook that is over: what it answered or raised, and the seconds that it took."""

    hook: str
    answer: Any = None
    error: BaseException | None = None
    seconds: float = 0.0


class Shell:
    """A plugin under a name, with each of its hooks as `around` makes it anew."""

    def __init__(self, plugin: object, name: str, around: Callable[[str, Hook], Hook]) -> None:
        self.name = name
        self.fields = getattr(plugin, "fields", {})
        self.takes_over = getattr(plugin, "takes_over", False)
        # On the instance, because hooks are looked for without asking `__getattr__`.
        vars(self).update({hook: around(hook, function) for hook, function, _ in implementations(plugin)})


def watched(plugins: Sequence[LoadedPlugin], name: str, see: Callable[[Seen], None]) -> list[LoadedPlugin]:
    """The plugins; `see` is told of each call of the one of that name, before anything is made of it."""

    def around(hook: str, function: Hook) -> Hook:
        return _watched(hook, function, see)

    return [
        attrs.evolve(loaded, plugin=Shell(loaded.plugin, name, around)) if loaded.name == name else loaded
        for loaded in plugins
    ]


def _watched(hook: str, function: Hook, see: Callable[[Seen], None]) -> Hook:
    @wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        with _call(hook, see) as seen:
            seen.answer = function(*args, **kwargs)
            return seen.answer

    @wraps(function)
    async def asynchronous(*args: Any, **kwargs: Any) -> Any:
        with _call(hook, see) as seen:
            seen.answer = await function(*args, **kwargs)
            return seen.answer

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with _call(hook, see) as seen:
            seen.answer = yield from function(*args, **kwargs)
            return seen.answer

    if inspect.iscoroutinefunction(function):
        return asynchronous
    return wrapper if inspect.isgeneratorfunction(function) else plain


@contextmanager
def _call(hook: str, see: Callable[[Seen], None]) -> Iterator[Seen]:
    seen, began = Seen(hook), time.monotonic()
    try:
        yield seen
    except BaseException as error:
        seen.error = error
        raise
    finally:
        seen.seconds = time.monotonic() - began
        see(seen)
