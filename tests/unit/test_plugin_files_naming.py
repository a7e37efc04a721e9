"""What files that come by a URL are called on this machine."""

from __future__ import annotations

import time
from pathlib import Path

from workerkit_plugins.files.naming import Names


def test_every_file_has_a_name_of_its_own_that_is_like_its_urls(tmp_path: Path) -> None:
    (tmp_path / "cat-2.jpg").touch()
    names = Names(tmp_path)

    given = ["cat.jpg", "cat.jpg", "cat-1.jpg", "cat.jpg", "cat.jpg", "cat", "a/b", "", " ..", "cat-1.jpg"]

    assert [names.place(name).name for name in given] == [
        "cat.jpg",
        "cat-1.jpg",
        "cat-1-1.jpg",
        "cat-3.jpg",
        "cat-4.jpg",
        "cat",
        "a_b",
        "file",
        "file-1",
        "cat-1-2.jpg",
    ]


def test_thousands_of_one_name_take_no_time(tmp_path: Path) -> None:
    names, began = Names(tmp_path), time.monotonic()

    places = [names.place("x") for _ in range(20_000)]

    assert len(set(places)) == 20_000
    assert places[-1].name == "x-19999"
    assert time.monotonic() - began < 20
