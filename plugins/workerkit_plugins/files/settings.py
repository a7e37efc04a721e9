"""What can be set of files: where those in outputs may come from and go to, and what may be fetched."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Literal

import attrs

#: The longest that a presigned URL of S3 can be good for: seven days.
LONGEST = 604_800.0
Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def _within(least: float, most: float, unit: str) -> Validator:
    """A validator for a number with bounds; one that is none fits no bounds."""

    def check(instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
        if not least <= value <= most:
            raise ValueError(
                f"{attribute.name} is {_plain(value)}; it must be from {_plain(least)} to {_plain(most)} {unit}"
            )

    return check


def _plain(number: float) -> str:
    return f"{number:,}".removesuffix(".0")


def _folders(instance: object, attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    for folder in value:
        if not folder.strip() or "\0" in folder:
            raise ValueError(f'{attribute.name} holds {folder!r}; write a path, or "." for all that is here')
        if os.path.realpath(folder) == os.sep:
            raise ValueError(f"{attribute.name} holds {folder!r}, which is everything; name what may be seen")


@attrs.frozen(kw_only=True)
class FilesSettings:
    """`[plugin.files]`: files in outputs, and files in inputs."""

    #: What takes the place of a file in an output: "presigned", a URL with which anybody can read it;
    #: "plain", the object's URL; "s3", which is `s3://BUCKET/KEY`.
    url: Literal["presigned", "plain", "s3"] = "presigned"
    #: How long a presigned URL is good for; seconds, at most seven days.
    expires: float = attrs.field(
        default=LONGEST,
        validator=_within(1, LONGEST, "seconds"),
        metadata={"unit": "seconds", "example": 3600},
    )
    #: Bytes of a file in an output that becomes a data URL where a job has no bucket; 0 for none.
    inline: int = attrs.field(
        default=1_000_000,
        validator=_within(0, 100_000_000, "bytes"),
        metadata={"unit": "bytes", "example": 1_000_000},
    )
    #: More folders that files in outputs may be in, beside the job's own, the working directory and the
    #: folder for temporary files.
    folders: tuple[str, ...] = attrs.field(default=(), validator=_folders)
    #: Bytes of all files together that one job's input may have fetched.
    limit: int = attrs.field(
        default=1_000_000_000,
        validator=_within(1, 1 << 50, "bytes"),
        metadata={"unit": "bytes", "example": 5_000_000_000},
    )
    #: How long that may take; seconds.
    timeout: float = attrs.field(
        default=300.0,
        validator=_within(0.001, 86_400, "seconds"),
        metadata={"unit": "seconds", "example": 600},
    )
