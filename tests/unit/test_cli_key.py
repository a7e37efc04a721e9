from __future__ import annotations

import hashlib

import pytest

from workerkit.cli import invoke
from workerkit.settings import load_settings


def test_a_new_key_is_printed_once_and_its_section_is_what_the_settings_read(
    tmp_path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = invoke(
        ["key", "new", "web", "--role", "operator", "--endpoint", "render", "--endpoint", "caption"]
    )

    printed = capsys.readouterr()
    key, _, section = printed.out.partition("\n")
    (tmp_path / "workerkit.toml").write_text(section)
    made = load_settings(cwd=tmp_path, environ={}).server.keys["web"]
    assert code == 0
    assert len(key) >= 43  # 256 bits
    assert key not in section + printed.err
    assert made.sha256 == hashlib.sha256(key.encode()).hexdigest()
    assert made.role == "operator"
    assert tuple(made.endpoints) == ("render", "caption")


def test_no_two_keys_are_alike(capsys: pytest.CaptureFixture[str]) -> None:
    invoke(["key", "new", "a"])
    invoke(["key", "new", "a"])

    keys = [line for line in capsys.readouterr().out.splitlines() if len(line) == 43]
    assert len(set(keys)) == 2
