from __future__ import annotations

import importlib.metadata
import inspect
import re
import subprocess
import sys

import pytest

import workerkit
from workerkit import hookspecs
from workerkit.hooks.implementations import ARGUMENTS

HOOKS = list(ARGUMENTS)


def test_public_names_are_sorted_and_all_there() -> None:
    assert workerkit.__all__ == sorted(workerkit.__all__, key=lambda name: (not name.isupper(), name))
    for name in workerkit.__all__:
        assert getattr(workerkit, name) is not None
    assert set(dir(workerkit)) == set(workerkit.__all__)


def test_every_error_of_the_tree_is_public() -> None:
    from workerkit import errors

    tree = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert tree <= set(workerkit.__all__)
    assert tree == set(re.findall(r"\b([A-Z]\w+)   *[a-z]", errors.__doc__ or "")) | {"WorkerkitError"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'worker_functoin'"):
        _ = workerkit.worker_functoin


def test_the_version_is_that_of_the_distribution() -> None:
    assert workerkit.__version__ == importlib.metadata.version("workerkit")


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(answer.stdout.split())


def test_importing_takes_at_most_60_ms_more_than_python_itself() -> None:
    code = "import time; a = time.process_time(); import workerkit; print(time.process_time() - a)"
    times = [
        float(
            subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60).stdout
        )
        for _ in range(5)
    ]
    assert min(times) <= 0.060


def test_a_built_in_plugin_loads_boto3_only_when_a_bucket_is_used() -> None:
    assert "boto3" not in loaded_by("import workerkit_plugins.s3")
    assert "smart_open" not in loaded_by("import workerkit_plugins.s3")


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_says_when_where_in_what_order_and_what_returning_and_raising_do(name: str) -> None:
    text = inspect.getdoc(getattr(hookspecs, name)) or ""
    for word in ("When:", "Where:", "Order:", "Return:", "Raise:"):
        assert word in text, f"{name} does not say {word}"


def test_every_specification_is_a_hook_that_the_face_calls() -> None:
    from workerkit.hooks import Hooks

    specified = {name for name, value in vars(hookspecs).items() if hasattr(value, "workerkit_spec")}
    assert specified == set(ARGUMENTS)
    for name in specified:
        face = [p for p in inspect.signature(getattr(Hooks, name)).parameters if p not in ("self", "default")]
        assert tuple(face) == ARGUMENTS[name]
