from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from environments import Environment

THIRD_PARTY = Path(__file__).parents[1] / "third_party"


@pytest.mark.parametrize("name", sorted(path.parts[-3] for path in THIRD_PARTY.glob("*/tests/test_*.py")))
def test_the_tests_of_a_distribution_pass_where_it_is_installed(
    installed: Callable[[str], Environment], tmp_path: Path, name: str
) -> None:
    environment = installed(name)
    pytest_ = (environment.python, "-m", "pytest", "-p", "no:cacheprovider", f"--basetemp={tmp_path}/pytest")
    where_it_hangs = ("-o", "faulthandler_timeout=60")

    done = environment.run(*pytest_, *where_it_hangs, cwd=THIRD_PARTY / name)

    assert done.returncode == 0, done.stdout + done.stderr
