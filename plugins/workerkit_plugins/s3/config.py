"""What a request, or the operator, says about a bucket."""

from __future__ import annotations

import re

import attrs

from workerkit import Secret
from workerkit_plugins.s3.endpoint import Asked, Endpoint

#: As boto3 takes them.
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")
_REGION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@attrs.frozen(kw_only=True)
class S3Config:
    """A bucket and its keys: a request's `s3Config`, or the operator's `bucket`. The names are its keys in JSON.

    What else is in there is ignored.
    """

    #: The key that is shown, as in `AWS_ACCESS_KEY_ID`.
    accessId: str
    #: The key that is not shown.
    accessSecret: Secret
    bucketName: str
    #: Of the service; the bucket's name may stand in its host or path, as consoles show it.
    endpointUrl: str
    #: What the endpoint's host tells when not given, else `us-east-1`.
    region: str | None = None
    #: Of temporary keys.
    sessionToken: Secret | None = None
    #: Where the bucket's name goes: "path", "virtual" (before the host), or "auto" for what the service wants.
    addressingStyle: Asked = "auto"
    #: In place of `endpointUrl` in the URLs that are returned, where those who get them reach the service otherwise.
    publicEndpointUrl: str | None = None
    #: The folder in the bucket for objects without a key of their own.
    objectPath: str = ""

    def check(self) -> None:
        """Raise ValueError with `member sentence` for the first member that cannot be right."""
        for name in ("accessId", "accessSecret", "bucketName", "sessionToken"):
            if (value := getattr(self, name)) is not None:
                _check_text(name, _plain(value))
        _check_id(self.accessId)
        if "/" in self.bucketName:
            raise ValueError("bucketName must be the name alone; put folders into objectPath")
        if not _BUCKET.fullmatch(self.bucketName):
            raise ValueError("bucketName may hold letters, digits, hyphens, dots and underscores only")
        if self.region and not _REGION.fullmatch(self.region):
            raise ValueError("region may hold letters, digits and inner hyphens only, such as eu-west-1")
        if (folder := self.objectPath.strip("/")) and not {"", ".", ".."}.isdisjoint(folder.split("/")):
            raise ValueError(
                "objectPath must be names with single slashes, such as renders/2026, without . and .."
            )
        for name in ("endpointUrl", "publicEndpointUrl"):
            if (text := getattr(self, name)) is not None:
                try:
                    self._endpoint(text)
                except ValueError as exc:
                    raise ValueError(f"{name} {exc}") from None

    @property
    def endpoint(self) -> Endpoint:
        """Where the service is."""
        return self._endpoint(self.endpointUrl)

    @property
    def public(self) -> Endpoint:
        """Where those who are given URLs find it, signed for the service's own region."""
        if self.publicEndpointUrl is None:
            return self.endpoint
        return attrs.evolve(self._endpoint(self.publicEndpointUrl), region=self.endpoint.region)

    def _endpoint(self, text: str) -> Endpoint:
        return Endpoint.of(text, self.bucketName, self.region, self.addressingStyle)


def _check_text(name: str, text: str) -> None:
    if not text.strip():
        raise ValueError(f"{name} is empty")
    if _CONTROL.search(text):
        raise ValueError(f"{name} must not contain control characters, such as a line break at its end")
    # These go into headers; accessSecret is never sent.
    if name in ("accessId", "sessionToken") and not text.isascii():
        raise ValueError(f"{name} may hold ASCII characters only")


def _check_id(text: str) -> None:
    """What is sent of a signature has it before a slash; secrets may hold some."""
    if "/" in text:
        raise ValueError("accessId looks like a secret; are the two swapped?")
    if text != text.strip():
        raise ValueError("accessId has blanks around it; write it without")


def _plain(value: str | Secret) -> str:
    return value.reveal() if isinstance(value, Secret) else value
