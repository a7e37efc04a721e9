"""Where a bucket's service is, out of the URL that a console shows or a person writes."""

from __future__ import annotations

from typing import Literal

import attrs

from workerkit.guard import Url, parse
from workerkit_plugins.s3 import services
from workerkit_plugins.s3.services import Service, Style

Asked = Literal["path", "virtual", "auto"]
PORTS = {"http": 80, "https": 443}


@attrs.frozen
class Endpoint:
    """A service as a client is told of it."""

    #: Without the bucket's name, which may stand in front of the host or behind it.
    url: Url
    region: str
    style: Style
    #: Whether the style was neither asked for nor known: another may be tried.
    is_guess: bool
    service: Service

    @property
    def shown(self) -> str:
        """The URL for people and for settings: scheme, host and port."""
        return f"{self.url.scheme}://{self.url.authority}"

    @classmethod
    def of(cls, text: str, bucket: str, region: str | None = None, style: Asked = "auto") -> Endpoint:
        """Read a URL; raises ValueError with the part of a sentence that says what is wrong with it."""
        url = _parsed(text, bucket)
        host = url.host.lower()
        if services.is_read_only(host):
            raise ValueError(
                f"names {host}, which only hands out files; write the service's S3 endpoint, "
                "such as https://nyc3.digitaloceanspaces.com or https://s3.eu-west-1.amazonaws.com"
            )
        alone = host.removeprefix(f"{bucket.lower()}.")
        if alone != host and (services.named(alone) or services.likely(alone)):
            host = alone
        label, _, rest = host.partition(".")
        known = services.named(host)
        if known is None and services.named(rest):
            raise ValueError(
                f"begins with the bucket {label!r}, and bucketName is {bucket!r}; "
                f"correct one of them, or write {url.scheme}://{rest}"
            )
        service = known or services.likely(host) or Service()
        if url.port != PORTS[url.scheme]:
            service = attrs.evolve(service, is_found=False)  # it is at another port than boto3 would take
        return cls(
            attrs.evolve(url, host=host, target="/"),
            region or service.region,
            service.style if style == "auto" else style,
            is_guess=known is None and style == "auto",
            service=service,
        )


def _parsed(text: str, bucket: str) -> Url:
    try:
        url = parse(text)
    except ValueError as exc:
        if "://" not in text and str(exc).startswith("must begin"):
            raise ValueError(f"{exc}; write https://{text}") from None
        raise
    if "?" in text or "#" in text:
        raise ValueError("must not carry ? or #; write the service's own URL, such as https://s3.example.com")
    path = url.target.strip("/")
    if path not in ("", bucket):
        raise ValueError(
            f"has the path {path!r}; write {url.scheme}://{url.authority}, and put folders into objectPath"
        )
    return url
