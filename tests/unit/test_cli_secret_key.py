from __future__ import annotations

import pytest

from workerkit.cli import invoke
from workerkit.host.sealing import Sealer
from workerkit.settings import load_settings


def test_a_new_key_alone_is_on_stdout_and_what_to_do_with_it_beside(
    tmp_path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["secret-key"]) == 0

    printed = capsys.readouterr()
    key = printed.out.removesuffix("\n")
    settings = load_settings(cwd=tmp_path, environ={"WORKERKIT_SECRET_KEY": key})
    sealer = Sealer.from_settings(settings.queue, None)
    assert sealer.open("j", "f", sealer.seal("j", "f", b"x")) == b"x"
    assert "export WORKERKIT_SECRET_KEY=" in printed.err
    assert "NEW,OLD" in printed.err
    assert key not in printed.err


def test_no_two_keys_are_alike(capsys: pytest.CaptureFixture[str]) -> None:
    invoke(["secret-key"])
    invoke(["secret-key"])

    first, second = capsys.readouterr().out.split()
    assert first != second
