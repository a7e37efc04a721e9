"""Write a line for each event of a running job, for whoever watches a file grow."""

from __future__ import annotations

from pathlib import Path

import attrs

from workerkit import Delivery, Receipt, hookimpl


@attrs.frozen(kw_only=True)
class TickerSettings:
    """`[plugin.ticker]`: where to write."""

    #: Made when it is missing.
    file: str = "ticker.jsonl"


class Ticker:
    """What is told of a running job is not stored: a line that is lost here is lost."""

    Settings = TickerSettings

    def __init__(self, settings: TickerSettings) -> None:
        self._file = settings.file

    @hookimpl(inline=True)
    def job_event(self, event):
        return Delivery(target=self._file, body=event.body + b"\n") if event.kind == "output" else None

    @hookimpl
    def deliver(self, delivery):
        with Path(delivery.target).open("ab") as file:
            file.write(delivery.body)
        return Receipt.delivered()
