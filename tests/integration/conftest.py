from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from environments import Environment

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
