"""Posts a message to Slack when a job fails."""

from __future__ import annotations

import json

import attrs
import urllib3
from urllib3.exceptions import HTTPError
from workerkit import Delivery, Receipt, Request, Result, Secret, Status, hookimpl


@attrs.frozen(kw_only=True)
class SlackSettings:
    """`[plugin.slack]` in workerkit.toml."""

    #: Of the incoming webhook. Without it nothing is sent.
    url: Secret | None = None
    #: The ends of a job that are told.
    tell: tuple[Status, ...] = (Status.FAILED, Status.TIMED_OUT)


class Slack:
    """Both hooks run in the host."""

    Settings = SlackSettings

    def __init__(self, settings: SlackSettings) -> None:
        self._settings = settings
        self._http = urllib3.PoolManager(timeout=10.0, retries=False)

    @hookimpl(inline=True)  # it never blocks
    def post_job(self, request: Request, result: Result) -> Delivery | None:
        """Ask for a message when the job ended in a way that is told."""
        if self._settings.url is None or result.status not in self._settings.tell:
            return None
        text = f"{request.endpoint}: job {request.id} is {result.status.value}"
        body = json.dumps({"text": text}).encode()
        return Delivery(target="slack", body=body, attempts=5, delays=(1.0, 10.0, 60.0))

    @hookimpl
    def deliver(self, delivery: Delivery) -> Receipt:
        """Post the message once, and judge the answer."""
        if self._settings.url is None:
            return Receipt.hold("[plugin.slack] has no url any more; set it and restart")
        headers = {"Content-Type": "application/json"}
        try:
            answer = self._http.request(
                "POST", self._settings.url.reveal(), body=delivery.body, headers=headers
            )
        except HTTPError as error:
            return Receipt.retry(f"no answer: {type(error).__name__}")
        said = f"answered {answer.status}"
        if answer.status == 200:
            return Receipt.delivered(said)
        if answer.status == 429:
            return Receipt.retry(said, after=float(answer.headers.get("Retry-After", 60)))
        return Receipt.stop(said) if 400 <= answer.status < 500 else Receipt.retry(said)
