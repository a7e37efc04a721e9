"""What can be set of webhooks: how receivers are tried, what is told, and how they know who tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, repeat
from types import MappingProxyType
from typing import Any, Literal

import attrs
from attrs.validators import and_, ge, gt, le

from workerkit import Secret
from workerkit.signing import key_of

Event = Literal["start", "output", "completed"]
#: Headers that say how the body is framed or whose it is: nobody may set them.
TAKEN = frozenset(
    {
        "host",
        "content-length",
        "content-type",
        "transfer-encoding",
        "connection",
        "accept-encoding",
        "user-agent",
    }
    | {"webhook-id", "webhook-timestamp", "webhook-signature", "workerkit-event", "authorization"}
)
#: So many delays at most are computed ahead; the last one repeats.
MOST_DELAYS = 32


def _delays(instance: object, attribute: attrs.Attribute[Any], value: float | tuple[float, ...]) -> None:
    delays = value if isinstance(value, tuple) else (value,)
    if not delays or min(delays) < 0:
        raise ValueError("must be a number of seconds or a list of them, none below 0")


def _keys(instance: object, attribute: attrs.Attribute[Any], value: tuple[Secret, ...]) -> None:
    for number, secret in enumerate(value, 1):
        try:
            key_of(secret.reveal())
        except ValueError as error:
            raise ValueError(f"{attribute.name}, number {number}: {error}") from None


def _header(instance: object, attribute: attrs.Attribute[Any], value: Secret | None) -> None:
    if value is not None:
        _check_header(attribute.name, value)


def _headers(instance: object, attribute: attrs.Attribute[Any], value: Mapping[str, Secret]) -> None:
    for name, secret in value.items():
        if not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
            raise ValueError(f"{attribute.name}: {name!r:.60} is no name of a header")
        if name.lower() in TAKEN:
            cure = "; set `authorization`" if name.lower() == "authorization" else ""
            raise ValueError(f"{attribute.name}: {name!r} is set by the webhook itself{cure}")
        _check_header(f"{attribute.name}.{name}", secret)


def _check_header(name: str, secret: Secret) -> None:
    text = secret.reveal()
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError(f"{name} must be printable ASCII in one line")


def _proxy(instance: object, attribute: attrs.Attribute[Any], value: str) -> None:
    if value and not value.startswith("http://"):
        raise ValueError("proxy must be http://HOST:PORT, or empty for none")


@attrs.frozen(kw_only=True)
class EndpointSettings:
    """`[plugin.webhook.endpoints.NAME]`: what differs for the jobs of one function."""

    #: Signing secrets in place of the others.
    secrets: tuple[Secret, ...] = attrs.field(default=(), validator=_keys)
    #: Headers beside the others.
    headers: Mapping[str, Secret] = attrs.field(default=MappingProxyType({}), validator=_headers)
    #: In place of the other.
    authorization: Secret | None = attrs.field(default=None, validator=_header)


@attrs.frozen(kw_only=True)
class WebhookSettings:
    """`[plugin.webhook]`: how a receiver is tried. Times are seconds."""

    #: Tries in all, the first included.
    attempts: int = attrs.field(default=2, validator=ge(1))
    #: Between tries: one number, or a list for the second, third … try; each is varied by a fifth.
    retry_delay: float | tuple[float, ...] = attrs.field(default=10.0, validator=_delays)
    #: With one number: each further delay is so many times as long, up to an hour.
    retry_factor: float = attrs.field(default=1.0, validator=and_(ge(1), le(100)))
    #: For one whole try, from the look-up of the name to the last byte of the answer.
    timeout: float = attrs.field(default=15.0, validator=and_(gt(0), le(120)))
    #: For the connection alone.
    connect_timeout: float = attrs.field(default=5.0, validator=gt(0))
    #: What acknowledges: status 200 only, or any from 200 to 299.
    acknowledge: Literal["200", "2xx"] = "200"
    #: Of what a request is told that has no `webhook_events_filter`: "start", "output", "completed".
    events: tuple[Event, ...] = ("completed",)
    #: Signing secrets, the present one first; `workerkit webhook secret` makes one.
    secrets: tuple[Secret, ...] = attrs.field(default=(), validator=_keys)
    #: More headers by name, such as a gateway's token.
    headers: Mapping[str, Secret] = attrs.field(default=MappingProxyType({}), validator=_headers)
    #: The header `Authorization`, such as "Bearer …".
    authorization: Secret | None = attrs.field(default=None, validator=_header)
    #: Whether receivers must be `https://`.
    https_only: bool = False
    #: An egress proxy, `http://HOST:PORT`, that every delivery goes through; empty for none.
    proxy: str = attrs.field(default="", validator=_proxy)
    #: What differs for the jobs of one function, by its name.
    endpoints: Mapping[str, EndpointSettings] = MappingProxyType({})

    @property
    def delays(self) -> tuple[float, ...]:
        """Seconds before the second, third … try."""
        if isinstance(self.retry_delay, tuple):
            return self.retry_delay
        steps = repeat(self.retry_factor, min(self.attempts - 1, MOST_DELAYS) - 1 if self.attempts > 2 else 0)
        longest = max(self.retry_delay, 3600.0)
        return tuple(accumulate(steps, lambda delay, by: min(delay * by, longest), initial=self.retry_delay))

    def secrets_of(self, endpoint: str) -> Sequence[str]:
        """The signing secrets for a function's jobs."""
        own = self.endpoints.get(endpoint)
        return [secret.reveal() for secret in (own.secrets if own and own.secrets else self.secrets)]

    def headers_of(self, endpoint: str) -> dict[str, str]:
        """The further headers for a function's jobs."""
        own = self.endpoints.get(endpoint, EndpointSettings())
        headers = {name: secret.reveal() for name, secret in {**self.headers, **own.headers}.items()}
        authorization = own.authorization or self.authorization
        return headers if authorization is None else {**headers, "Authorization": authorization.reveal()}
