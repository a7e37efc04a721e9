"""Secrets among settings: where they may stand, where they may come from, and that they are not shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

from workerkit.building import masked, plain
from workerkit.errors import SettingsError
from workerkit.job import EMPTY
from workerkit.secret import Secret
from workerkit.settings import build


def test_secrets_come_from_variables_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @attrs.frozen
    class Plugin:
        one: Secret
        two: Secret | None = None

    monkeypatch.setenv("TOKEN", "open sesame")
    (tmp_path / "token").write_text("from a file\n")
    values = {"one": "env:TOKEN", "two": f"file:{tmp_path}/token"}

    assert build(Plugin, values, "here") == Plugin(Secret("open sesame"), Secret("from a file"))
    assert build(Plugin, values, "here", literal=True).one == Secret("env:TOKEN")
    with pytest.raises(SettingsError, match=r"^here: one: expected a string, env:NAME or file:PATH, got int"):
        build(Plugin, {"one": 3}, "here")
    with pytest.raises(SettingsError, match=r"^here: the setting 'one' is missing; give it a value"):
        build(Plugin, {}, "here")


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("env:TOKEN", "the environment variable 'TOKEN' is empty"),
        ("env:NOBODY", "the environment variable 'NOBODY' is not set"),
        ("file:empty", "the secret's file 'empty' is empty"),
        ("file:pipe", "the secret's file 'pipe' is no regular file"),
        ("file:missing", "the secret's file cannot be read"),
        ("file:binary", "the secret's file cannot be read"),
    ],
)
def test_a_secret_that_is_not_there_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, written: str, fault: str
) -> None:
    monkeypatch.setenv("TOKEN", "")
    (folder / "empty").write_text("\n")
    os.mkfifo(folder / "pipe")
    (folder / "binary").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(SettingsError, match=f"^here: password: {fault}"):
        build(Account, {"name": "me", "password": written}, "here")


def test_a_secrets_file_may_begin_with_a_mark_of_its_encoding(folder: Path) -> None:
    (folder / "token").write_bytes(b"\xef\xbb\xbfhunter2\r\n")

    account = build(Account, {"name": "me", "password": "file:token"}, "here")

    assert account.password == Secret("hunter2")


@attrs.frozen
class Account:
    name: str
    password: Secret | None = None


@attrs.frozen
class Accounts:
    secrets: tuple[Secret, ...] = ()
    tokens: Mapping[str, Secret] = EMPTY
    account: Account | None = None
    others: tuple[Account, ...] = ()


def test_secrets_may_stand_in_lists_tables_and_sections_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE", "first")
    values = {
        "secrets": ["env:ONE", "second"],
        "tokens": {"api.example.com": "env:ONE"},
        "account": {"name": "me", "password": "env:ONE"},
    }

    made = build(Accounts, values, "here")

    assert made.secrets == (Secret("first"), Secret("second"))
    assert made.tokens == {"api.example.com": Secret("first")}
    assert made.account == Account("me", Secret("first"))
    assert "first" not in repr(made)
    assert plain(made)["tokens"] == {"api.example.com": "***"}
    assert build(Accounts, plain(made, reveal=True), "there", literal=True) == made
    assert plain(Accounts())["tokens"] == {}
    for wrong in ({"account": {"nam": "x"}}, {"others": [{"name": "x"}, {"nam": "x"}]}):
        with pytest.raises(
            SettingsError, match=r"unknown setting '(account|others\.1)\.nam'; did you mean 'name'"
        ):
            build(Accounts, wrong, "here")
    with pytest.raises(
        SettingsError, match=r"^here: secrets\[0\]: the environment variable 'NOPE' is not set"
    ):
        build(Accounts, {"secrets": ["env:NOPE"]}, "here")


def test_what_was_written_for_a_secret_is_masked_unless_it_says_where_to_find_it() -> None:
    assert masked(Secret, "hunter2") == masked(Secret, ["hunter2"]) == "***"
    assert masked(Secret | None, "env:TOKEN") == "env:TOKEN"
    assert masked(tuple[Secret, ...], ["file:/run/token", "hunter2"]) == ["file:/run/token", "***"]
    assert masked(Mapping[str, Secret], {"a": "hunter2"}) == {"a": "***"}
    assert masked(Account | None, {"name": "me", "password": "hunter2"}) == {"name": "me", "password": "***"}
    assert masked(str, "shown") == "shown"
