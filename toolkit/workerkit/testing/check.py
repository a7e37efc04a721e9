"""A `PluginContract` outside of anybody's tests: run by pytest, told promise by promise."""

from __future__ import annotations

import inspect
import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

#: In settings and fields this stands for the URL of a receiver that acknowledges everything.
RECEIVER = "{receiver}"

MODULE = """from __future__ import annotations

import json

import pytest

from workerkit.testing import PluginContract
from workerkit.testing.check import filled


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


@attrs.frozen
class Verdict:
    """One promise. `kept` is None when it is about a part that the plugin does not have.

    `why` is a sentence for what is not kept or not applicable; `details` is all that pytest knows.
    """

    promise: str
    kept: bool | None
    why: str = ""
    details: str = ""


def check_plugin(
    plugin: str,
    settings: Mapping[str, Any],
    fields: Mapping[str, Any],
    handler: str | None,
    tell: Callable[[Verdict], None],
) -> list[Verdict]:
    """Hold a plugin to every promise, and `tell` each verdict as it comes.

    A plugin that does not load is held to no other.
    """
    told = _Verdicts(tell)
    text = MODULE.format(plugin=plugin, settings=json.dumps(settings), fields=json.dumps(fields))
    text += HANDLER.format(handler=handler) if handler is not None else ""
    with (
        tempfile.TemporaryDirectory(prefix="workerkit-check-") as name,
        pytest.MonkeyPatch.context() as patch,
    ):
        # Neither the user's options for pytest nor other plugins of pytest have a part in this.
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        patch.delenv("PYTEST_ADDOPTS", raising=False)
        folder = Path(name)
        file = folder / "test_plugin.py"
        file.write_text(text, encoding="utf-8")
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        pytest.main([str(file), *_options(folder)], plugins=[told])
    return told.verdicts


def filled(value: Any, url: str) -> Any:
    """`value` with the receiver's URL where its text says `{receiver}`."""
    if isinstance(value, str):
        return value.replace(RECEIVER, url)
    if isinstance(value, Mapping):
        return {name: filled(inner, url) for name, inner in value.items()}
    return [filled(inner, url) for inner in value] if isinstance(value, (list, tuple)) else value


class _Verdicts:
    """A plugin of pytest in place of its terminal."""

    def __init__(self, tell: Callable[[Verdict], None]) -> None:
        self.verdicts: list[Verdict] = []
        self._tell = tell
        self._promises: dict[str, str] = {}

    def pytest_collection_modifyitems(self, session: pytest.Session, items: Sequence[pytest.Item]) -> None:
        self._session = session
        self._promises = {item.nodeid: _promise(item) for item in items}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        verdict = _verdict(self._promises[report.nodeid], report)
        self.verdicts.append(verdict)
        self._tell(verdict)
        if len(self.verdicts) == 1 and not verdict.kept:
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
    why = dict(report.user_properties).get("not applicable")
    return Verdict(promise, True) if why is None else Verdict(promise, None, str(why))


def _options(folder: Path) -> list[str]:
    options = ["-p", "no:terminal", "-p", "no:cacheprovider", "-p", "workerkit", "--import-mode=importlib"]
    return [
        *options,
        "-c",
        str(folder / "pytest.ini"),
        "--rootdir",
        str(folder),
        "--basetemp",
        str(folder / "run"),
    ]
