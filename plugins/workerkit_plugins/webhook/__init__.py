"""Webhooks: when a job ends, its status object is posted to the URL in its request's `webhook`."""

from __future__ import annotations

import logging
import time
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, ClassVar

from workerkit import Delivery, Field, JobEvent, Receipt, Refused, Request, Result, __version__, hookimpl
from workerkit.guard import Blocked, Busy, Guard, Unresolved, Url, parse
from workerkit.signing import Signer
from workerkit_plugins.webhook.masking import masked
from workerkit_plugins.webhook.settings import Event, WebhookSettings

if TYPE_CHECKING:
    from workerkit_plugins.webhook.post import Poster, Reply

#: The longest wait that a receiver may ask for with `Retry-After`, in seconds. It never shortens the schedule.
LONGEST_WAIT = 60.0
#: How long a request waits for the look-up of its webhook's host. One that takes longer is let in.
LOOK_UP = 3.0
#: Characters of a URL.
LONGEST_URL = 4096
GONE = 410


class Webhook:
    """Asks for one delivery an end of a job, and makes it; tells of running jobs when that is asked for."""

    Settings = WebhookSettings
    fields: ClassVar = {"webhook": Field(str), "webhook_events_filter": Field(tuple[Event, ...])}

    def __init__(self, settings: WebhookSettings, guard: Guard, log: logging.Logger) -> None:
        self._settings = settings
        self._guard = guard
        self._log = log
        self._delays = settings.delays
        self._parse = lru_cache(maxsize=1024)(parse)
        self._signer = lru_cache(maxsize=1024)(self._signer_of)
        self._stood_down = False

    @hookimpl
    def accept(self, request: Request) -> None:
        """Refuse a URL that no delivery could reach. What a name stands for is looked up again then."""
        text = request.fields.get("webhook")
        if text is None:
            raise Refused("webhook_events_filter is there, but no webhook; add the URL that is to be told")
        if len(text) > LONGEST_URL:
            raise Refused(f"webhook has {len(text):,} characters; a URL may have {LONGEST_URL:,}")
        try:
            url = self._parse(text)
            if self._settings.https_only and url.scheme != "https":
                raise ValueError("must begin with https://")
            self._guard.addresses(url, LOOK_UP, room=0)
        except Blocked as exc:
            raise Refused(f"webhook: {exc}") from exc
        except Unresolved:
            return  # it may be there when the job ends; that is decided at the delivery
        except ValueError as exc:
            raise Refused(f"webhook {exc}") from exc

    @hookimpl(inline=True)
    def job_event(self, request: Request, event: JobEvent) -> Delivery | None:
        """Tell of a running job those who asked for it, once and without a promise."""
        if request.platform or event.kind not in self._events(request):
            return None
        return self._delivery(request, event.kind, f"msg_{request.id}_{event.attempt}_e{event.number}")

    @hookimpl(inline=True)
    def post_job(self, request: Request, result: Result) -> Delivery | None:
        """Ask for a delivery of the job's status object, when the request has a webhook."""
        if "webhook" not in request.fields or "completed" not in self._events(request):
            return None
        if request.platform:
            self._stand_down(request.platform)
            return None
        return self._delivery(request, "completed", f"msg_{request.id}_{result.attempt}")

    @hookimpl
    def deliver(self, delivery: Delivery) -> Receipt:
        """Post once and judge the answer."""
        from workerkit_plugins.webhook.post import PostFailed  # here: workers and most jobs post nothing

        url, body, now = self._parse(delivery.target), delivery.body or b"", int(time.time())
        headers = {
            **self._settings.headers_of(delivery.endpoint, url),
            **delivery.headers,
            "Content-Type": "application/json",
            "User-Agent": f"workerkit/{__version__}",
            "webhook-timestamp": str(now),
        }
        if signer := self._signer(delivery.endpoint):
            headers["webhook-signature"] = signer.sign(delivery.headers["webhook-id"], now, body)
        try:
            reply = self._poster.post(url, body, headers, partial(self._masked, delivery, url))
        except Busy as exc:
            return Receipt.postpone(f"not sent: {exc}")
        except PostFailed as exc:
            return Receipt.retry(str(exc), address=exc.address)
        except Blocked as exc:
            return Receipt.retry(f"not sent: {exc}")
        return self._judged(reply, delivery)

    @cached_property
    def _poster(self) -> Poster:
        from workerkit_plugins.webhook.post import Poster

        settings = self._settings
        return Poster(self._guard.addresses, settings.timeout, settings.connect_timeout, settings.proxy)

    def _signer_of(self, endpoint: str) -> Signer | None:
        secrets = self._settings.secrets_of(endpoint)
        return Signer(secrets) if secrets else None

    def _masked(self, delivery: Delivery, url: Url, text: str) -> str:
        # As it was written, and as it went on the wire.
        queries = [each.partition("?")[2].partition("#")[0] for each in (delivery.target, url.target)]
        return masked(text, self._settings.secrets_for(delivery.endpoint), queries)

    def _events(self, request: Request) -> tuple[Event, ...]:
        asked: tuple[Event, ...] | None = request.fields.get("webhook_events_filter")
        return self._settings.events if asked is None else asked

    def _delivery(self, request: Request, event: Event, id: str) -> Delivery:
        url: str = request.fields["webhook"]
        return Delivery(
            target=url,
            headers={"webhook-id": id, "workerkit-event": event},
            attempts=self._settings.attempts,
            delays=self._delays,
            lane=self._parse(url).lane,
        )

    def _stand_down(self, platform: str) -> None:
        if not self._stood_down:
            self._stood_down = True
            self._log.info(
                "webhooks of jobs from %s are sent by %s itself, and not from here", platform, platform
            )

    def _judged(self, reply: Reply, delivery: Delivery) -> Receipt:
        said, about = f"answered {reply.status}", _about(reply)
        success = 200 <= reply.status < 300
        if reply.status == 200 or (success and self._settings.acknowledge == "2xx"):
            return Receipt.delivered(said, **about)
        if reply.status == GONE:
            return Receipt.stop(f"{said}; the receiver is gone and is not tried again", **about)
        if reply.abort:
            return Receipt.stop(
                f"{said}, with webhook-delivery: abort-message; it is not tried again", **about
            )
        if success:
            said += '; only 200 acknowledges; set acknowledge = "2xx"'
        elif 300 <= reply.status < 400:
            said += "; redirects are not followed"
        wait = min(reply.retry_after or 0.0, LONGEST_WAIT)
        scheduled = delivery.delays[min(delivery.number, len(delivery.delays)) - 1]
        return Receipt.retry(said, wait if wait > scheduled else None, **about)


def _about(reply: Reply) -> dict[str, Any]:
    return {"status": reply.status, "address": reply.address, "answer": reply.answer}
