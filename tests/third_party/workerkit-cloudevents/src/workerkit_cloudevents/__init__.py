"""Webhooks as CloudEvents 1.0: the built-in's field and acknowledgement, another envelope."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import ClassVar

import attrs
import urllib3
from attrs.validators import ge, gt, min_len

from workerkit import Delivery, Field, Receipt, Refused, Request, Result, hookimpl

CONTENT_TYPE = "application/cloudevents+json"


@attrs.frozen(kw_only=True)
class CloudEventsSettings:
    """`[plugin.webhook]`, the section of the plugin that this one replaces. Times are seconds."""

    #: Where events come from, as a URI; with the event's id it is unique.
    source: str = attrs.field(default="/workerkit", validator=min_len(1))
    #: Tries in all, the first included.
    attempts: int = attrs.field(default=2, validator=ge(1))
    #: Between two tries.
    retry_delay: float = attrs.field(default=10.0, validator=ge(0))
    #: To connect, and then for each read.
    timeout: float = attrs.field(default=15.0, validator=gt(0))


class CloudEvents:
    """Posts an event to the URL in a request's `webhook` when the job ends."""

    replaces = "webhook"
    #: What the built-in asked for has a URL for a target, too.
    takes_over = True
    Settings = CloudEventsSettings
    fields: ClassVar = {"webhook": Field(str)}

    def __init__(self, settings: CloudEventsSettings) -> None:
        self._settings = settings
        self._http = urllib3.PoolManager(retries=False, timeout=settings.timeout)

    @hookimpl(inline=True)
    def accept(self, request: Request) -> None:
        """Refuse a URL that no event could reach."""
        url = request.fields["webhook"]
        if not url.startswith(("http://", "https://")):
            raise Refused("webhook must begin with http:// or https://")

    @hookimpl(inline=True)
    def post_job(self, request: Request, result: Result) -> Delivery | None:
        """Ask for a delivery of the status object; what else the event says travels in the headers."""
        url = request.fields.get("webhook")
        if url is None:
            return None
        return Delivery(
            target=url,
            headers={
                "type": f"workerkit.job.{result.status.value.lower()}",
                "time": datetime.now(timezone.utc).isoformat(),
            },
            attempts=self._settings.attempts,
            delays=(self._settings.retry_delay,),
            lane=urllib3.util.parse_url(url).netloc or "",
        )

    @hookimpl
    def deliver(self, delivery: Delivery) -> Receipt:
        """Post the event once; only 200 acknowledges. Every try sends the same bytes."""
        answer = self._http.request(
            "POST",
            delivery.target,
            body=json.dumps(self._event(delivery)).encode(),
            headers={"Content-Type": CONTENT_TYPE},
            redirect=False,
        )
        said = f"answered {answer.status}"
        return Receipt.delivered(said) if answer.status == 200 else Receipt.retry(said)

    def _event(self, delivery: Delivery) -> dict[str, object]:
        return {
            "specversion": "1.0",
            "id": delivery.id,
            "source": self._settings.source,
            "type": delivery.headers["type"],
            "subject": delivery.job,
            "time": delivery.headers["time"],
            "datacontenttype": "application/json",
            "data": json.loads(delivery.body or b"null"),
        }
