"""A secret that a request carries, which looks drawn at random, and the plugin that declares its field."""

from __future__ import annotations

from typing import ClassVar

from workerkit import Field, Request, Secret, hookimpl

SECRET = "0123a5B6c7D8e9F0"
#: A presigned URL, as one with a session token in it looks.
URL = f"https://bucket.example/a.png?token={SECRET}&X-Amz-Signature=aa"


class Tokens:
    """Requests may have a `token`, which is secret."""

    fields: ClassVar = {"token": Field(Secret, secret=True)}

    @hookimpl(inline=True)
    def accept(self, request: Request) -> None:
        """Any will do."""
