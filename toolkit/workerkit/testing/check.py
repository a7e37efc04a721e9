"""A `PluginContract` outside of anybody's tests, in a process of its own, so that a plugin that hangs is told."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import attrs
import msgspec

from workerkit.deathpipe import arm
from workerkit.environment import worker_environment
from workerkit.errors import PluginError
from workerkit.testing.waiting import until

#: Seconds for the stacks of a process that hangs, and for what is left of its folder.
STACKS, GONE = 5.0, 10.0

#: What the process runs; a file, because Python puts its folder, and not the working one, on the path.
MAIN = """from __future__ import annotations

import sys

sys.path[:] = {path!r}
from workerkit.testing.promises.checking import main

main({asked!r})
"""


@attrs.frozen(kw_only=True)
class Asked:
    """What to check: a plugin by name or `module:attribute`, and with what.

    `sections` are all plugins' settings by place, `handler` the text of a handler file.
    """

    plugin: str
    sections: Mapping[str, Mapping[str, Any]]
    fields: Mapping[str, Any]
    handler: str | None


@attrs.frozen
class Verdict:
    """One promise. `kept` is None when it is about a part that the plugin does not have.

    `why` is a sentence for what is not kept or not applicable, and `note` for what nobody could tell of
    a promise that is kept; `details` is all that is known.
    """

    promise: str
    kept: bool | None
    why: str = ""
    details: str = ""
    note: str = ""


@attrs.frozen
class Found:
    """The plugin that is checked: what it is called, and where it comes from."""

    name: str
    shown: str


@attrs.frozen
class Event:
    """What the process that checks says: that it has begun something, or came to its end."""

    kind: Literal["found", "refused", "begun", "verdict"]
    text: str = ""
    name: str = ""
    verdict: Verdict | None = None


def check_plugin(asked: Asked, deadline: float) -> Generator[Found | Verdict, None, None]:
    """Hold a plugin to every promise; what is known comes as it is known.

    A plugin that does not load is held to no other promise. One promise, and the plugin's import, may
    take `deadline` seconds; after one that took longer nothing more is looked at. Whatever was started is gone at the end, however that
    comes. Raises `PluginError` when there is no such plugin.
    """
    folder = Path(tempfile.mkdtemp(prefix="workerkit-check-"))
    try:
        with _Process(asked, folder) as process:
            yield from _told(asked, process, deadline)
    finally:
        # Workers that have just lost their host may leave something behind once more.
        until(f"{folder} is removed", lambda: _removed(folder), GONE)


def _told(asked: Asked, process: _Process, deadline: float) -> Iterator[Found | Verdict]:
    begun = ""
    try:
        for event in process.events(deadline):
            if event.kind == "refused":
                raise PluginError(event.text)
            if event.kind == "found":
                yield Found(event.name, event.text)
            begun = event.text if event.kind == "begun" else ""
            if event.verdict is not None:
                yield event.verdict
    except TimeoutError:
        if not begun:
            raise PluginError(
                f"plugin {asked.plugin!r} was not imported within {deadline:g} s; let its module do nothing at import"
            ) from None
        why = (
            f"it did not end within {deadline:g} s, so nothing else was checked; give it more with --deadline"
        )
        yield Verdict(begun, False, why, f"{why}\n\n{process.stacks()}")
    else:
        if begun:
            yield Verdict(
                begun, False, f"the process that looked at it ended with exit code {process.wait()}"
            )


class _Process:
    """The process that checks, in a session of its own with all that it starts, while the block runs."""

    def __init__(self, asked: Asked, folder: Path) -> None:
        self._folder = folder
        self._events, theirs = os.pipe()
        watched, self._death = os.pipe()
        (folder / "main.py").write_text(
            MAIN.format(path=sys.path, asked=_message(asked, folder, theirs, watched)), encoding="utf-8"
        )
        environ = {
            **worker_environment(),
            # Neither the user's options for pytest nor other plugins of pytest have a part in this.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_ADDOPTS": "",
            # A server that is killed leaves its scratch folder behind.
            "TMPDIR": str(folder),
        }
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, str(folder / "main.py")],
                stdin=subprocess.DEVNULL,
                env=environ,
                pass_fds=(theirs, watched),
                start_new_session=True,
            )
            arm(watched, self._process.pid)
        finally:
            os.close(theirs)
            os.close(watched)

    def events(self, deadline: float) -> Iterator[Event]:
        """What it says until it ends; TimeoutError when it says nothing for so many seconds."""
        rest = b""
        while True:
            if not select.select([self._events], [], [], deadline)[0]:
                raise TimeoutError
            data = os.read(self._events, 1 << 16)
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                yield msgspec.json.decode(line, type=Event)

    def stacks(self) -> str:
        """Where each of its threads is at this moment."""
        file = self._folder / "stacks"
        os.kill(self._process.pid, signal.SIGUSR1)
        try:
            until("the stacks", lambda: file.exists() and file.stat().st_size, STACKS)
        except AssertionError:
            return "it does not even say where it is"
        return file.read_text(errors="replace")

    def wait(self) -> int:
        """Its exit code."""
        return self._process.wait()

    def __enter__(self) -> _Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._events)
        os.close(self._death)


def _message(asked: Asked, folder: Path, events: int, death: int) -> str:
    message = {"asked": asked, "folder": str(folder), "events": events, "death": death}
    return msgspec.json.encode(message, enc_hook=dict).decode()


def _removed(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
