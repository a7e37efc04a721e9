"""A plugin given as the text of its module, and the contract that looks at it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from workerkit.testing import PluginContract
from workerkit.testing.plugin_contract import HANDLER
from workerkit.testing.promises.subject import Subject

HEAD = """
import json, os, queue, threading, time, urllib.request
from collections.abc import Mapping
from pathlib import Path

import attrs
from workerkit import Delivery, Field, JobFailed, Output, Receipt, Refused, Secret, hookimpl
"""

Judge = Callable[..., tuple[PluginContract, Subject]]


def judging(folder: Path) -> Iterator[Judge]:
    """Makes a contract and its subject, for a plugin `Wrong` that is given as the text of its module."""

    def made(
        source: str,
        settings: Mapping[str, Any] | None = None,
        fields: Mapping[str, Any] | None = None,
        bad: Sequence[Mapping[str, Any]] = (),
        bad_fields: Sequence[Mapping[str, Any]] = (),
    ) -> tuple[PluginContract, Subject]:
        (folder / "wrong_plugin.py").write_text(HEAD + source)
        contract = PluginContract()
        contract.bad_settings = bad
        contract.bad_fields = bad_fields
        subject = Subject("wrong_plugin:Wrong", settings or {}, fields or {}, HANDLER, folder)
        return contract, subject

    yield made
    sys.modules.pop("wrong_plugin", None)


def broken(sentence: str) -> Any:
    return pytest.raises(pytest.fail.Exception, match=sentence)


def never(why: str) -> None:
    raise AssertionError(f"it was taken for not applicable: {why}")
