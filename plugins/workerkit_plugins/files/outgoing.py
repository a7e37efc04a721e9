"""Files on their way out: each with a name, a type, and what it is read from."""

from __future__ import annotations

import io
import mimetypes
import os
from collections.abc import Callable, Hashable
from contextlib import ExitStack
from os import PathLike
from typing import IO, Any

import attrs

from workerkit import Job, JobFailed, OutputFile
from workerkit_plugins.files.places import Places
from workerkit_plugins.files.walking import File

#: What Pillow calls a format whose suffix is not its name.
_FORMATS = {
    "jpg": "JPEG",
    "jpe": "JPEG",
    "jfif": "JPEG",
    "tif": "TIFF",
    "jp2": "JPEG2000",
    "apng": "PNG",
    "pbm": "PPM",
    "pgm": "PPM",
}


@attrs.frozen(eq=False)
class Outgoing:
    """A file that was found to be readable. Two of the same `identity` are the same file."""

    name: str
    #: As the handler gave it; None to guess it from the name.
    content_type: str | None
    size: int
    identity: Hashable
    _open: Callable[[], IO[bytes]] = attrs.field(alias="open")

    def open(self, stack: ExitStack) -> IO[bytes]:
        """Open it to read; it is closed with the stack. Raises `JobFailed` when it is not to be had any more."""
        return stack.enter_context(self._open())


def outgoing(file: File, job: Job, places: Places) -> Outgoing:
    """A file of an output, looked at; a picture is written. Raises `JobFailed` with a sentence."""
    given = file if isinstance(file, OutputFile) else OutputFile(file)
    source = given.source
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _in_memory(given, given.name or _unnamed(given), bytes(source))
    if not isinstance(source, (str, PathLike)):
        if callable(getattr(source, "read", None)):
            name = given.name or _name_of(source) or _unnamed(given)
            return _in_memory(given, name, _read(source, name))
        name = given.name or "picture.png"
        return _in_memory(given, name, _written(source, name))
    path = os.fsdecode(source)

    def opened() -> IO[bytes]:
        return places.open(path, job)

    with opened() as found:
        status = os.fstat(found.fileno())
    name = given.name or _writable(os.path.basename(path))
    identity = (status.st_dev, status.st_ino, name, given.content_type)
    return Outgoing(name, given.content_type, status.st_size, identity, opened)


def _in_memory(given: OutputFile, name: str, data: bytes) -> Outgoing:
    identity = (id(given.source), name, given.content_type)
    return Outgoing(name, given.content_type, len(data), identity, lambda: io.BytesIO(data))


def _unnamed(given: OutputFile) -> str:
    """What a file is called that has nothing but a type, if that."""
    plain = (given.content_type or "").partition(";")[0].strip()
    return "file" + (mimetypes.guess_extension(plain, strict=False) or "")


def _name_of(file: Any) -> str:
    """What an open file says that it is called; empty when it has no name, or the number of a descriptor."""
    name = getattr(file, "name", None)
    return _writable(os.path.basename(name)) if isinstance(name, str) else ""


def _read(file: Any, name: str) -> bytes:
    """All of an open file, which stays the handler's own. Raises `JobFailed`."""
    try:
        file.seek(0)
        data = file.read()
    except (OSError, ValueError, AttributeError) as error:  # it is closed, or a pipe
        fault = str(error).lower().rstrip(".")
    else:
        if isinstance(data, bytes):
            return data
        fault = f"it gives {type(data).__name__}, not bytes"
    raise JobFailed(
        f"the output's file {name!r} cannot be read from its beginning: {fault}; "
        "give the OutputFile its path, or its bytes"
    )


def _written(picture: Any, name: str) -> bytes:
    """A picture as the file that its name says it is."""
    suffix = os.path.splitext(name)[1].lower().removeprefix(".")
    if not suffix:
        raise JobFailed(
            f"the output's picture {name!r} has no suffix to tell its format; name it like {name}.png"
        )
    file = io.BytesIO()
    format = _FORMATS.get(suffix, suffix.upper())
    try:
        picture.save(file, format)
    except (Exception, SystemExit) as error:  # whatever a library raises that cannot write it so
        fault = f"{type(error).__name__}: {error}; convert it first, for example with .convert('RGB'), or"
        if isinstance(error, KeyError) and error.args == (format,):
            fault = f"Pillow knows no format for '.{suffix}';"
        raise JobFailed(
            f"the output's picture {name!r} cannot be written: {fault} give its name another suffix than .{suffix}"
        ) from error
    return file.getvalue()


def _writable(name: str) -> str:
    """A file's name as text that UTF-8 can hold: on this machine it is bytes, whatever they are."""
    return os.fsencode(name).decode(errors="replace")
