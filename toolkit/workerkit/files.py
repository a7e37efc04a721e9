"""Files on their way into a handler and out of it."""

from __future__ import annotations

import os
import re
from os import PathLike
from pathlib import Path
from typing import IO, Any

import attrs

from workerkit.errors import JobFailed

#: `type/subtype`, perhaps with parameters. A comma may be in quotes only, since it ends the type in a data URL.
_WORD = r"[A-Za-z0-9!$&^_.+-]+"
_CONTENT_TYPE = re.compile(rf'{_WORD}/{_WORD}(?:; ?{_WORD}=(?:{_WORD}|"[ !#-\[\]-~]*"))*')


@attrs.frozen
class OutputFile:
    """A file in what a handler returns or yields: it is stored, and its URL takes its place.

    `source` is a path, bytes, an open binary file such as `io.BytesIO`, or a picture with a
    `save(file, format)` method, such as Pillow's. An open file is read once the handler has returned or
    yielded it: all of it, wherever it stands, into memory.
    `name` is what the object's key ends with, by default the path's own name; a picture's suffix
    decides its format, which is PNG where it has no name. `content_type` is guessed from the name
    unless given. A plain `pathlib.Path` in an output is the same as `OutputFile(path)`.

    Raises TypeError for another kind of source, and ValueError for a `name` or a `content_type` that
    no object can have.
    """

    source: str | PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Any = attrs.field(repr=False)
    name: str | None = None
    content_type: str | None = None

    def __attrs_post_init__(self) -> None:
        source = self.source
        if not isinstance(source, (str, PathLike, bytes, bytearray, memoryview)) and not any(
            callable(getattr(source, method, None)) for method in ("read", "save")
        ):
            raise TypeError(
                f"an OutputFile cannot be made of a {type(source).__name__}; give it a path, bytes, "
                "a file open for reading, or a picture with a method save(file, format)"
            )
        if self.name is not None and not _can_be_name(self.name):
            raise ValueError(
                f"an OutputFile cannot have the name {self.name!r}; write it like cat.jpg or cats/1.jpg"
            )
        if self.content_type is not None and not _CONTENT_TYPE.fullmatch(self.content_type):
            raise ValueError(
                f"an OutputFile cannot have the content_type {self.content_type!r}; write it like image/png"
            )


class InputFile(PathLike[str]):
    """A file that a request names by a URL: `https://…`, `s3://bucket/key` or `data:…`.

    Annotate a handler's parameter with it, and the file is there before the handler begins, under
    `path`, in the job's directory. It is itself a path for `open` and most libraries, and as text it
    is that path, as in `f"ffmpeg -i {film}"`.
    """

    def __init__(self, url: str, path: Path | None = None) -> None:
        self.url = url
        self._path = path

    @property
    def path(self) -> Path:
        """Where the file is; raises `JobFailed` before it was fetched."""
        if self._path is None:
            raise JobFailed("this InputFile was not fetched; annotate a parameter of the handler with it")
        return self._path

    @path.setter
    def path(self, path: Path) -> None:
        self._path = path

    def open(self, mode: str = "rb") -> IO[Any]:
        """Open the file for reading."""
        return self.path.open(mode)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        # The URL may open a door: a presigned one, or data.
        return f"InputFile({'not fetched' if self._path is None else str(self._path)!r})"


def content_type_of(*names: str) -> str | None:
    """The media type of a file by its name: the first of these names that tells one decides.

    A packed file has the type of its packing: `x.tar.gz` is `application/gzip`. None when nothing tells.
    """
    import mimetypes  # here: few processes need it

    for name in names:
        kind, packing = mimetypes.guess_type(f"/{name}", strict=False)
        if packing is not None:
            return "application/gzip" if packing == "gzip" else f"application/x-{packing}"
        if kind is not None:
            return kind
    return None


def _can_be_name(name: object) -> bool:
    """Whether it is text that is fit for the end of a key, and leads nowhere else as a path."""
    if not isinstance(name, str) or not name.isprintable() or "\\" in name:
        return False
    return all(part not in ("", ".", "..") for part in name.split("/"))
