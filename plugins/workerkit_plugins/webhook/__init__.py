"""Webhooks: when a job ends, its status object is posted to the URL in its request's `webhook`."""

from __future__ import annotations

import time
from typing import ClassVar, Literal

import attrs
from attrs.validators import ge, gt

from workerkit import Delivery, Field, Receipt, Refused, Request, __version__, hookimpl
from workerkit_plugins.webhook.post import Poster, PostFailed, Reply
from workerkit_plugins.webhook.url import parse

#: The longest wait that a receiver may ask for with `Retry-After`, in seconds.
LONGEST_WAIT = 60.0
GONE = 410


def _delays(instance: object, attribute: object, value: float | tuple[float, ...]) -> None:
    delays = value if isinstance(value, tuple) else (value,)
    if not delays or min(delays) < 0:
        raise ValueError("must be a number of seconds or a list of them, none below 0")


@attrs.frozen(kw_only=True)
class WebhookSettings:
    """`[plugin.webhook]`: how a receiver is tried. Times are seconds."""

    #: Tries in all, the first included.
    attempts: int = attrs.field(default=2, validator=ge(1))
    #: Between tries: one number, or a list for the second, third … try; each is varied by a fifth.
    retry_delay: float | tuple[float, ...] = attrs.field(default=10.0, validator=_delays)
    #: For one whole try, from the look-up of the name to the last byte of the answer.
    timeout: float = attrs.field(default=15.0, validator=gt(0))
    #: For the connection alone.
    connect_timeout: float = attrs.field(default=5.0, validator=gt(0))
    #: What acknowledges: status 200 only, or any from 200 to 299.
    acknowledge: Literal["200", "2xx"] = "200"


class Webhook:
    """Asks for one delivery an end of a job, and makes it."""

    Settings = WebhookSettings
    fields: ClassVar = {"webhook": Field(str)}

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._poster = Poster(settings.timeout, settings.connect_timeout)

    @hookimpl(inline=True)
    def accept(self, request: Request) -> None:
        """Refuse a URL that no delivery could reach."""
        try:
            parse(request.fields["webhook"])
        except ValueError as exc:
            raise Refused(f"webhook {exc}") from exc

    @hookimpl(inline=True)
    def post_job(self, request: Request) -> Delivery | None:
        """Ask for a delivery of the job's status object, when the request has a webhook."""
        url = request.fields.get("webhook")
        if url is None:
            return None
        return Delivery(
            target=url, attempts=self._settings.attempts, delays=self._delays(), lane=parse(url).lane
        )

    @hookimpl
    def deliver(self, delivery: Delivery) -> Receipt:
        """Post once and judge the answer."""
        headers = {
            **delivery.headers,
            "Content-Type": "application/json",
            "User-Agent": f"workerkit/{__version__}",
            "webhook-id": f"msg_{delivery.job}_{delivery.job_attempt}",
            "webhook-timestamp": str(int(time.time())),
        }
        try:
            reply = self._poster.post(parse(delivery.target), delivery.body or b"", headers)
        except PostFailed as exc:
            return Receipt.retry(str(exc))
        return self._judged(reply)

    def _judged(self, reply: Reply) -> Receipt:
        said = f"answered {reply.status}"
        success = 200 <= reply.status < 300
        if reply.status == 200 or (success and self._settings.acknowledge == "2xx"):
            return Receipt.delivered(said)
        if reply.status == GONE:
            return Receipt.stop(f"{said}; the receiver is gone and is not tried again")
        if success:
            said += '; only 200 acknowledges; set acknowledge = "2xx"'
        elif 300 <= reply.status < 400:
            said += "; redirects are not followed"
        wait = reply.retry_after
        return Receipt.retry(said, None if wait is None else min(wait, LONGEST_WAIT))

    def _delays(self) -> tuple[float, ...]:
        delay = self._settings.retry_delay
        return delay if isinstance(delay, tuple) else (delay,)
