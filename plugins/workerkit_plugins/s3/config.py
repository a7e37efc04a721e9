"""What a request says about its bucket."""

from __future__ import annotations

import re

import attrs
from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from workerkit import Secret

#: Services that show endpoints with the bucket as the first label.
_BUCKET_IN_HOST = (
    ".amazonaws.com",
    ".backblazeb2.com",
    ".digitaloceanspaces.com",
    ".r2.cloudflarestorage.com",
    ".wasabisys.com",
)
#: How hosts tell their region; a fixed one where they do not.
_REGIONS = (
    (re.compile(r"s3[.-]([a-z0-9-]+)\.(?:amazonaws|backblazeb2|wasabisys)\.com"), ""),
    (re.compile(r"([a-z0-9-]+)\.digitaloceanspaces\.com"), ""),
    (re.compile(r".+\.r2\.cloudflarestorage\.com"), "auto"),
)


@attrs.frozen(kw_only=True)
class S3Config:
    """The request's `s3Config`; the member names are its JSON keys."""

    accessId: str
    accessSecret: Secret
    bucketName: str
    #: Of the service; the bucket's name may stand in its host or path, as consoles show it.
    endpointUrl: str
    #: What the endpoint's host tells when not given, else `us-east-1`.
    region: str | None = None
    #: Of temporary keys.
    sessionToken: Secret | None = None
    #: Where in the bucket objects without a key of their own go.
    objectPath: str = ""

    def check(self) -> None:
        """Raise ValueError with `member sentence` for the first member that cannot be right."""
        for name in ("accessId", "bucketName"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name} is empty")
        if not self.accessSecret.reveal():
            raise ValueError("accessSecret is empty")
        if "/" in self.bucketName:
            raise ValueError("bucketName must be the name alone; put folders into objectPath")
        _check_endpoint(self.endpointUrl, self.bucketName)

    @property
    def service_url(self) -> str:
        """The service's own URL: some consoles show endpoints that begin or end with the bucket's name."""
        url = _parse(self.endpointUrl)
        return Url(url.scheme, None, self._service_host, url.port).url

    @property
    def guessed_region(self) -> str:
        """The region that the host's name tells; `us-east-1` when it tells none."""
        for pattern, region in _REGIONS:
            found = pattern.fullmatch(self._service_host)
            if found:
                return region or found[1]
        return "us-east-1"

    @property
    def _service_host(self) -> str:
        host = _parse(self.endpointUrl).host or ""
        service = host.removeprefix(f"{self.bucketName.lower()}.")
        return service if service.endswith(_BUCKET_IN_HOST) else host


def _check_endpoint(text: str, bucket: str) -> None:
    url = _parse(text)
    if url.scheme not in ("http", "https"):
        raise ValueError("endpointUrl must begin with http:// or https://")
    if not url.host:
        raise ValueError("endpointUrl names no host")
    if url.auth is not None:
        raise ValueError("endpointUrl must not carry a user or password")
    if (url.path or "/").strip("/") not in ("", bucket) or url.query or url.fragment:
        raise ValueError("endpointUrl must have no path but the bucket's name")


def _parse(text: str) -> Url:
    if any(char <= " " or char in "\\\x7f" for char in text):
        raise ValueError("endpointUrl must not contain spaces, control characters or backslashes")
    try:
        return parse_url(text)
    except LocationParseError:
        raise ValueError("endpointUrl is not a valid URL; check its host and port") from None
