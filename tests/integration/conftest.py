from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from environments import Environment
from judging import Judge, judging

THIRD_PARTY = Path(__file__).parents[1] / "third_party"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Environment]:
    """An environment with one distribution of `tests/third_party`; made once, and not to be changed."""

    @cache
    def environment(name: str) -> Environment:
        made = Environment(tmp_path_factory.mktemp(name) / "env")
        made.install(THIRD_PARTY / name)
        return made

    return environment


@pytest.fixture
def judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Judge]:
    """A contract and its subject, for a plugin given as the text of its module."""
    monkeypatch.syspath_prepend(tmp_path)
    yield from judging(tmp_path)
