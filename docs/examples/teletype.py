"""Instead of posting to the URL in `webhook`, write what would be posted to the log."""

from __future__ import annotations

import logging
from typing import ClassVar

from workerkit import Delivery, Field, Receipt, hookimpl


class Teletype:
    """Declares the same field as the plugin whose place it takes."""

    fields: ClassVar = {"webhook": Field(str)}

    def __init__(self, log: logging.Logger) -> None:
        self._log = log

    @hookimpl(inline=True)
    def post_job(self, request):
        url = request.fields.get("webhook")
        return None if url is None else Delivery(target=url)

    @hookimpl
    def deliver(self, delivery):
        self._log.info("to %s: %s", delivery.target, delivery.body.decode())
        return Receipt.delivered()
