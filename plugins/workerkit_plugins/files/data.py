"""Files that a request holds itself, in a data URL."""

from __future__ import annotations

import binascii
import mimetypes
import re
from base64 import b64decode
from urllib.parse import unquote_to_bytes

from workerkit import JobFailed

#: The beginning of base64, long enough not to be a path.
_BARE = re.compile(r"[A-Za-z0-9+/=\s]{40,200}")


def is_bare(text: str) -> bool:
    """Whether it seems to be base64 without its data URL."""
    return _BARE.fullmatch(text[:200]) is not None


def data_of(url: str) -> tuple[str, bytes]:
    """What a data URL holds, and a name that tells its type. Raises `JobFailed` with a part of a sentence."""
    about, comma, text = url.partition(":")[2].partition("#")[0].partition(",")
    if not comma:
        raise JobFailed("it has no comma; write it like data:image/png;base64,iVBORw0KGgo=")
    kind, *parameters = (part.strip().lower() for part in about.split(";"))
    name = "file" + (mimetypes.guess_extension(kind, strict=False) or "")
    data = unquote_to_bytes(text)
    if "base64" not in parameters:
        return name, data
    data = b"".join(data.split()).rstrip(b"=")
    try:
        return name, b64decode(data + b"=" * (-len(data) % 4), validate=True)
    except binascii.Error:
        raise JobFailed("its base64 cannot be decoded; is it whole?") from None
