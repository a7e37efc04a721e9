"""Refuse a request whose `source` leads where this server may not go."""

from __future__ import annotations

from typing import ClassVar

from workerkit import Field, Refused, hookimpl
from workerkit.guard import Guard, Unresolved, parse


class Sources:
    """Reads the field `source`, the URL of what a job is to work on."""

    fields: ClassVar = {"source": Field(str)}

    def __init__(self, guard: Guard) -> None:  # the application's own, with what [guard] says
        self._guard = guard

    @hookimpl
    def accept(self, request):
        try:
            self._guard.addresses(parse(request.fields["source"]), timeout=3)
        except Unresolved:
            return  # it may be there when the job begins
        except ValueError as error:  # it is no URL, or it is Blocked
            raise Refused(f"source: {error}") from error
