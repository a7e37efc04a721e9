from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import attrs
import pytest
from PIL import Image

from workerkit import InputFile, JobFailed, OutputFile, content_type_of


@attrs.frozen
class Named:
    path: Path

    def __fspath__(self) -> str:
        return str(self.path)


@pytest.mark.parametrize(
    "source",
    [
        "a.txt",
        Path("a.txt"),
        Named(Path("a.txt")),
        b"bytes",
        bytearray(b"bytes"),
        memoryview(b"bytes"),
        io.BytesIO(b"bytes"),
        Image.new("L", (1, 1)),
    ],
)
def test_a_path_bytes_an_open_file_and_a_picture_can_be_a_file(source: Any) -> None:
    assert OutputFile(source, "cats/a b.jpg", "image/jpeg").source is source


@pytest.mark.parametrize("source", [None, 5, ["a.txt"], {b"x"}])
def test_anything_else_is_refused_where_it_is_made(source: Any) -> None:
    with pytest.raises(
        TypeError, match=f"cannot be made of a {type(source).__name__}; give it a path, bytes,"
    ):
        OutputFile(source)


@pytest.mark.parametrize(
    "name", ["", "/", "/a", "a/", "a//b", "../a", "a/./b", "a\nb", "a\\b", "a\0", "\udcff", 5]
)
def test_a_name_that_no_object_can_have_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match=r"cannot have the name .*; write it like cat\.jpg or cats/1\.jpg"):
        OutputFile(b"x", name)


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "image",
        "/png",
        "image/",
        "image/png\r\nX: y",
        "bild/grün",
        " a/b",
        "a/b,c",
        "a/b;base64",
        "a/b;base64,AAAA",
        'a/b; c="d',
    ],
)
def test_a_content_type_that_is_none_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=r"cannot have the content_type .*; write it like image/png"):
        OutputFile(b"x", content_type=kind)


@pytest.mark.parametrize(
    "kind",
    ["image/png", "text/plain; charset=utf-8", "application/vnd.a+json", 'video/mp4; codecs="vp9, opus"'],
)
def test_a_content_type_may_have_parameters(kind: str) -> None:
    assert OutputFile(b"x", content_type=kind).content_type == kind


def test_an_input_file_is_a_path_once_it_was_fetched(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("here")
    file = InputFile("https://example.com/x?sig=secret")

    with pytest.raises(JobFailed, match="this InputFile was not fetched"):
        os.fspath(file)
    with pytest.raises(JobFailed, match="this InputFile was not fetched"):
        str(file)
    assert repr(file) == "InputFile('not fetched')"

    file.path = tmp_path / "x"
    with open(file) as read:
        assert read.read() == "here"
    assert f"cat {file}" == f"cat {tmp_path / 'x'}"
    with file.open() as read:
        assert read.read() == b"here"
    assert "secret" not in repr(file)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("cat.PNG",), "image/png"),
        (("cats/1.tar.gz",), "application/gzip"),
        (("cat.json.bz2",), "application/x-bzip2"),
        (("cat", "cat.txt", "cat.png"), "text/plain"),
        (("cat", "cat.unknown", ""), None),
        ((), None),
    ],
)
def test_a_name_tells_what_a_file_is(names: tuple[str, ...], kind: str | None) -> None:
    assert content_type_of(*names) == kind
