"""The process in which a plugin is checked: pytest runs its contract, and each verdict is told."""

from __future__ import annotations

import faulthandler
import inspect
import json
import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import msgspec
import pytest

from workerkit.deathpipe import watch
from workerkit.errors import WorkerkitError
from workerkit.loading import Candidate
from workerkit.testing.check import Asked, Event, Verdict
from workerkit.testing.given import found, place

#: In settings and fields this stands for the URL of a receiver that acknowledges everything.
RECEIVER = "{receiver}"

MODULE = """from __future__ import annotations

import json

import pytest

from workerkit.testing import PluginContract
from workerkit.testing.promises.checking import filled


class TestPlugin(PluginContract):
    plugin = {plugin!r}

    @pytest.fixture
    def settings(self, workerkit_receiver):
        return filled(json.loads({settings!r}), workerkit_receiver.url)

    @pytest.fixture
    def fields(self, workerkit_receiver):
        return filled(json.loads({fields!r}), workerkit_receiver.url)
"""
HANDLER = """
    @pytest.fixture
    def handler(self):
        return {handler!r}
"""
EFFECTS = """
    @pytest.fixture
    def effects(self, workerkit_receiver):
        return lambda: len(workerkit_receiver.requests)
"""

Tell = Callable[[Event], None]


@attrs.frozen
class Message:
    """What this process is started with: what to check, where, and two pipes."""

    asked: Asked
    folder: str
    #: Takes events, as lines of JSON.
    events: int
    #: Is closed when the one who asked is gone.
    death: int


def main(text: str) -> None:
    """Check what the message says, and tell events."""
    message = msgspec.json.decode(text, type=Message)
    watch(message.death)
    folder = Path(message.folder)
    with open(folder / "stacks", "w") as stacks:
        faulthandler.register(signal.SIGUSR1, file=stacks)

        def tell(event: Event) -> None:
            os.write(message.events, msgspec.json.encode(event) + b"\n")

        _check(message.asked, folder, tell)


def filled(value: Any, url: str) -> Any:
    """`value` with the receiver's URL where its text says `{receiver}`."""
    if isinstance(value, str):
        return value.replace(RECEIVER, url)
    if isinstance(value, Mapping):
        return {name: filled(inner, url) for name, inner in value.items()}
    return [filled(inner, url) for inner in value] if isinstance(value, (list, tuple)) else value


def _check(asked: Asked, folder: Path, tell: Tell) -> None:
    try:
        candidate = found(asked.plugin)
    except WorkerkitError as error:
        tell(Event("refused", str(error)))
        return
    tell(Event("found", str(candidate), candidate.name))
    file = folder / "test_plugin.py"
    file.write_text(_module(asked, candidate), encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    pytest.main([str(file), *_options(folder)], plugins=[_Verdicts(tell)])


def _module(asked: Asked, candidate: Candidate) -> str:
    settings, fields = json.dumps(asked.sections.get(place(candidate), {})), json.dumps(asked.fields)
    text = MODULE.format(plugin=asked.plugin, settings=settings, fields=fields)
    text += HANDLER.format(handler=asked.handler) if asked.handler is not None else ""
    declared = getattr(candidate.value, "fields", {})
    own = {name: value for name, value in asked.fields.items() if name in declared}
    # What other plugins send there says nothing of this one.
    return text + EFFECTS if RECEIVER in settings + json.dumps(own) else text


class _Verdicts:
    """A plugin of pytest in place of its terminal."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._told = 0
        self._promises: dict[str, str] = {}

    def pytest_collection_modifyitems(self, session: pytest.Session, items: Sequence[pytest.Item]) -> None:
        self._session = session
        self._promises = {item.nodeid: _promise(item) for item in items}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._tell(Event("begun", self._promises[nodeid]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        verdict = _verdict(self._promises[report.nodeid], report)
        self._tell(Event("verdict", verdict=verdict))
        self._told += 1
        if self._told == 1 and not verdict.kept:
            self._session.shouldstop = "it does not load"


def _promise(item: pytest.Item) -> str:
    """The first paragraph of a test's docstring, and which of several cases it is."""
    text = inspect.getdoc(getattr(item, "obj", None)) or item.name
    case = item.name.partition("[")[2].rstrip("]")
    sentence = text.partition("\n\n")[0].replace("\n", " ").rstrip(".")
    return f"{sentence} ({case})" if case else sentence


def _verdict(promise: str, report: pytest.TestReport) -> Verdict:
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        # What the contract itself fails with is a sentence without a traceback.
        why = str(report.longrepr) if crash is None else crash.message
        details = "\n".join([report.longreprtext, *(text for _, text in report.sections)])
        return Verdict(promise, False, re.sub(r"^(Failed|AssertionError): ", "", why), details.strip())
    said = {name: str(value) for name, value in report.user_properties}
    if "not applicable" in said:
        return Verdict(promise, None, said["not applicable"])
    return Verdict(promise, True, note=said.get("note", ""))


def _options(folder: Path) -> Iterator[str]:
    yield from ("-p", "no:terminal", "-p", "no:cacheprovider", "-p", "workerkit", "--import-mode=importlib")
    yield from ("-c", str(folder / "pytest.ini"), "--rootdir", str(folder), "--basetemp", str(folder / "run"))
