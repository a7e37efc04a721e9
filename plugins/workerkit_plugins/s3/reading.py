"""Objects that are read as files: whole, of one version, and given up in seconds when they break off.

smart_open goes on where an object broke off, and would try to for half a minute.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, cast

from workerkit_plugins.s3.client import TRIES
from workerkit_plugins.s3.config import S3Config
from workerkit_plugins.s3.refusals import broke_off, explained, is_absent, replaced
from workerkit_plugins.s3.transfer import Place

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

#: What asks for all of an object.
_WHOLE = "bytes=0-"
_PARTIAL = 206


def reader(client: S3Client, config: S3Config, place: Place) -> io.BufferedIOBase:
    """An object to read."""
    from smart_open import s3

    return s3.open(*place, "rb", client=cast(Any, _Object(client, config, place)))


class _Object:
    """A client for one object, whose failures are explained."""

    def __init__(self, client: S3Client, config: S3Config, place: Place) -> None:
        self._client = client
        self._config = config
        self._key = place[1]
        self._version: str | None = None
        self._failures = 0

    def get_object(self, **params: Any) -> dict[str, Any]:
        """As boto3's. Raises OSError when the object is not any more the one that was begun."""
        with explained(self._config, self._key):
            answer = self._asked(params)
            try:
                self._check(answer, params["Range"])
            except BaseException:
                answer["Body"].close()
                raise
        return {**answer, "Body": _Body(answer["Body"], answer["ContentLength"], self)}

    def _check(self, answer: dict[str, Any], range: str) -> None:
        """Raises KeyError for what an answer lacks, OSError for another version."""
        if range != _WHOLE or "ContentRange" in answer:
            _ = answer["ContentRange"]
            answer["ResponseMetadata"]["HTTPStatusCode"] = _PARTIAL  # some services say 200
        _ = answer["ContentLength"]
        version = answer.get("ETag")
        if self._version not in (None, version):
            raise replaced(self._key)
        self._version = version

    def _asked(self, params: dict[str, Any]) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        try:
            return cast(dict[str, Any], self._client.get_object(**params))
        except ClientError as exc:
            # smart_open takes a range that is not there for the end, and an object that is gone for a wrong key.
            if self._version is not None and is_absent(exc):
                raise replaced(self._key) from None
            raise

    def went_on(self) -> None:
        """Something was read."""
        self._failures = 0

    def failed(self) -> None:
        """Nothing was; raises ConnectionError when smart_open is not to try again."""
        self._failures += 1
        if self._failures >= TRIES:
            raise broke_off(self._config, self._key) from None


class _Body:
    """An answer's body, which ends too early with an error only."""

    def __init__(self, body: Any, length: int, of: _Object) -> None:
        self._body = body
        self._left = length
        self._of = of

    def read(self, size: int | None = None) -> bytes:
        """So many bytes, or all; raises what has smart_open ask for the rest, or ConnectionError."""
        from botocore.exceptions import BotoCoreError, IncompleteReadError
        from urllib3.exceptions import HTTPError

        try:
            data: bytes = self._body.read(size)
            if len(data) < self._left and (size is None or len(data) < size):
                raise IncompleteReadError(actual_bytes=len(data), expected_bytes=self._left)
        except (BotoCoreError, HTTPError, ConnectionResetError):  # what smart_open tries again
            self._of.failed()
            raise
        self._left -= len(data)
        self._of.went_on()
        return data

    def close(self) -> None:
        """Leave the rest."""
        self._body.close()
