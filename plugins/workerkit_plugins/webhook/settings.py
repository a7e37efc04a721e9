"""What can be set of webhooks: how receivers are tried, what is told, and how they know who tells it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate, repeat
from types import MappingProxyType
from typing import Any, Literal

import attrs

from workerkit import Secret
from workerkit.guard import Url
from workerkit.signing import key_of
from workerkit_plugins.webhook.headers import check, check_hosts, check_value, is_among, merged
from workerkit_plugins.webhook.proxy import proxy_url

Event = Literal["start", "output", "completed"]
#: So many delays at most are computed ahead; the last one repeats.
MOST_DELAYS = 32
#: Delays in a list, seconds of the longest one.
MOST_LISTED, LONGEST_DELAY = 100, 2_592_000.0
Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def _within(least: float, most: float, unit: str = "") -> Validator:
    """A validator for a number with bounds; one that is none fits no bounds."""

    def check(instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
        if not least <= value <= most:
            raise ValueError(f"{attribute.name} is {value:,}; it must be from {least:,} to {most:,}{unit}")

    return check


def _delays(instance: object, attribute: attrs.Attribute[Any], value: float | tuple[float, ...]) -> None:
    delays = value if isinstance(value, tuple) else (value,)
    if not 1 <= len(delays) <= MOST_LISTED or not all(0 <= delay <= LONGEST_DELAY for delay in delays):
        raise ValueError(
            f"{attribute.name} must be a number of seconds from 0 to {LONGEST_DELAY:,.0f}, "
            f"or a list of 1 to {MOST_LISTED} of them"
        )


def _keys(instance: object, attribute: attrs.Attribute[Any], value: tuple[Secret, ...]) -> None:
    for number, secret in enumerate(value):
        try:
            key_of(secret.reveal())
        except ValueError as error:
            raise ValueError(f"{attribute.name}[{number}]: {error}") from None


def _header(instance: object, attribute: attrs.Attribute[Any], value: Secret | None) -> None:
    if value is not None:
        check_value(attribute.name, value)


def _headers(instance: object, attribute: attrs.Attribute[Any], value: Mapping[str, Secret]) -> None:
    check(attribute.name, value)


def _proxy(instance: object, attribute: attrs.Attribute[Any], value: str) -> None:
    if value:
        proxy_url(value)


def _hosts(settings: WebhookSettings, attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    check_hosts(attribute.name, value)
    everywhere: list[WebhookSettings | EndpointSettings] = [settings, *settings.endpoints.values()]
    if not value and any(each.headers or each.authorization for each in everywhere):
        raise ValueError(
            f"headers and authorization go to no receiver until {attribute.name} names its host, since "
            f'a request may name any; add `{attribute.name} = ["hooks.example.com"]` with yours, or "*" for all of them'
        )


@attrs.frozen(kw_only=True)
class EndpointSettings:
    """`[plugin.webhook.endpoints.NAME]`: what differs for the jobs of one function."""

    #: Signing secrets in place of the others.
    secrets: tuple[Secret, ...] = attrs.field(default=(), validator=_keys)
    #: Headers beside the others; one of the same name is replaced.
    headers: Mapping[str, Secret] = attrs.field(default=MappingProxyType({}), validator=_headers)
    #: In place of the other.
    authorization: Secret | None = attrs.field(default=None, validator=_header)


@attrs.frozen(kw_only=True)
class WebhookSettings:
    """`[plugin.webhook]`: how a receiver is tried. Times are seconds."""

    #: Tries in all, the first included.
    attempts: int = attrs.field(default=2, validator=_within(1, 1000))
    #: Between tries: one number, or a list for the second, third … try; each is varied by a fifth.
    retry_delay: float | tuple[float, ...] = attrs.field(default=10.0, validator=_delays)
    #: With one number: each further delay is so many times as long, up to an hour.
    retry_factor: float = attrs.field(default=1.0, validator=_within(1, 100))
    #: For one whole try, from the look-up of the name to the last byte of the answer.
    timeout: float = attrs.field(default=15.0, validator=_within(0.001, 120, " seconds"))
    #: For the connection alone.
    connect_timeout: float = attrs.field(default=5.0, validator=_within(0.001, 120, " seconds"))
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
    #: Hosts that get `headers` and `authorization`, such as "hooks.example.com"; "*" for every receiver.
    credentials_to: tuple[str, ...] = attrs.field(default=(), validator=_hosts)
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

    def headers_of(self, endpoint: str, url: Url) -> dict[str, str]:
        """The further headers for a function's jobs, where the URL leads to a host that gets any."""
        if not is_among(url, self.credentials_to):
            return {}
        return {name: secret.reveal() for name, secret in self._credentials(endpoint).items()}

    def secrets_for(self, endpoint: str) -> list[str]:
        """All that no answer should show: what signs, and the values of the further headers."""
        credentials = {name: secret.reveal() for name, secret in self._credentials(endpoint).items()}
        bare = credentials.get("Authorization", "").partition(" ")[2].strip()  # without its scheme
        return [*self.secrets_of(endpoint), *credentials.values(), bare]

    def _credentials(self, endpoint: str) -> dict[str, Secret]:
        own = self.endpoints.get(endpoint, EndpointSettings())
        headers = merged(self.headers, own.headers)
        authorization = own.authorization or self.authorization
        return headers if authorization is None else {**headers, "Authorization": authorization}
