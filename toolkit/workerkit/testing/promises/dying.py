"""A plugin whose host is killed in the middle of its first `deliver`."""

from __future__ import annotations

import inspect
import os
import signal
from pathlib import Path
from typing import Any, get_type_hints

from workerkit.delivery import Delivery, Receipt
from workerkit.hooks import hookimpl
from workerkit.loading import Candidate
from workerkit.testing.promises.shells import Hook, Shell

#: When the host dies: before the plugin's own `deliver`, or after it acted and before that is stored.
BEFORE, AFTER = "before", "after"
#: The file that tells how the plugin's own `deliver` ended, each time.
ACTS = "acts"

MODULE = """from __future__ import annotations

from workerkit.testing.promises.dying import dying

plugin = dying({ref!r}, {name!r}, {moment!r}, {folder!r})
"""


def dying(ref: str, name: str, moment: str, folder: str) -> Any:
    """The plugin that `ref` names, called `name`; it kills its process once, at `moment`.

    Each act of the plugin's own `deliver` is a line of the file `ACTS` in `folder`: an id and a verdict.
    """
    original = Candidate(name, ref).imported().value
    kill = _Kill(moment, Path(folder))

    def around(hook: str, function: Hook) -> Hook:
        return _killing(function, kill) if hook == "deliver" else function

    if not (inspect.isclass(original) or inspect.isfunction(original)):
        return Shell(original, name, around)

    def made(**offered: Any) -> Shell:
        return Shell(original(**offered), name, around)

    # It asks for what the original asks for, and has the same settings.
    made.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
    made.Settings = _settings_of(original)  # type: ignore[attr-defined]
    made.name = name  # type: ignore[attr-defined]
    return made


def _killing(inner: Hook, kill: _Kill) -> Hook:
    """The plugin's `deliver` between two moments at which the process may be killed."""
    takes = bool(inspect.signature(inner).parameters)

    @hookimpl
    async def deliver_async(delivery: Delivery) -> Receipt:
        kill.at(BEFORE)
        receipt: Receipt = await (inner(delivery) if takes else inner())
        kill.acted(delivery, receipt)
        kill.at(AFTER)
        return receipt

    @hookimpl
    def deliver(delivery: Delivery) -> Receipt:
        kill.at(BEFORE)
        receipt: Receipt = inner(delivery) if takes else inner()
        kill.acted(delivery, receipt)
        kill.at(AFTER)
        return receipt

    return deliver_async if inspect.iscoroutinefunction(inner) else deliver


class _Kill:
    """Kills this process at a moment, and only once: the next one finds the mark."""

    def __init__(self, moment: str, folder: Path) -> None:
        self._moment = moment
        self._folder = folder

    def at(self, moment: str) -> None:
        mark = self._folder / "killed"
        if moment == self._moment and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def acted(self, delivery: Delivery, receipt: Receipt) -> None:
        with (self._folder / ACTS).open("a") as file:
            file.write(f"{delivery.id} {receipt.verdict.value if isinstance(receipt, Receipt) else 'none'}\n")


def _settings_of(original: Any) -> Any:
    """The settings class of a class or factory; None when it has none."""
    settings = getattr(original, "Settings", None)
    if settings is None and inspect.isfunction(original):
        return get_type_hints(original).get("settings")
    return settings
