"""The example on the page about addresses does what the page says of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from documentation import DOCS
from workerkit import Refused, Request
from workerkit.guard import Guard
from workerkit.loading import load_plugins
from workerkit.settings import load_settings


def request(source: str) -> Request:
    return Request(id="j", endpoint="e", raw_input=b"{}", fields={"source": source})


@pytest.fixture
def config(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A settings file beside the example."""
    (folder / "sources.py").write_text((DOCS / "examples" / "sources.py").read_text())
    monkeypatch.syspath_prepend(str(folder))
    path = folder / "workerkit.toml"
    path.write_text('[plugins]\nload = ["sources:Sources"]\n[guard]\nallow = ["10.1.2.3"]\n')
    return path


def test_a_plugin_gets_the_guard_of_the_application_and_refuses_what_that_does(config: Path) -> None:
    loaded = load_plugins(load_settings(config=str(config), environ={}))
    [plugin] = [each.plugin for each in loaded if each.name == "sources"]

    plugin.accept(request("http://10.1.2.3/picture.png"))
    for source, sentence in (
        ("ftp://10.1.2.3/", "source: must begin with http:// or https://"),
        (
            "http://10.1.2.4/",
            'source: 10.1.2.4 is a private address; allow it with "10.1.2.4" in `allow` under [guard]',
        ),
    ):
        with pytest.raises(Refused) as caught:
            plugin.accept(request(source))
        assert str(caught.value) == sentence


def test_a_name_that_cannot_be_resolved_is_let_in(config: Path) -> None:
    from sources import Sources

    def nowhere(host: str, port: int) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    Sources(Guard(resolver=nowhere)).accept(request("http://later/"))
