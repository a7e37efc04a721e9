"""Write a line for each job that did not end well."""

from __future__ import annotations

from pathlib import Path

import attrs

from workerkit import Delivery, Receipt, Status, hookimpl


@attrs.frozen(kw_only=True)
class FailuresSettings:
    """`[plugin.failures]`: where to write."""

    #: Made when it is missing.
    file: str = "failures.log"


class Failures:
    """`post_job` decides, `deliver` acts."""

    Settings = FailuresSettings

    def __init__(self, settings: FailuresSettings) -> None:
        self._file = settings.file

    @hookimpl(inline=True)  # it never blocks
    def post_job(self, request, result):
        if result.status is Status.COMPLETED:
            return None
        line = f"{request.endpoint} {result.status.value} {result.error or ''}\n"
        return Delivery(target=self._file, body=line.encode(), attempts=5, delays=(1.0, 10.0, 60.0))

    @hookimpl
    def deliver(self, delivery):
        with Path(delivery.target).open("ab") as file:
            file.write(delivery.body)
        return Receipt.delivered()
