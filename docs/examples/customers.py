"""Refuse a request that names a customer nobody knows."""

from __future__ import annotations

from typing import ClassVar

import attrs

from workerkit import Field, Refused, hookimpl


@attrs.frozen(kw_only=True)
class CustomersSettings:
    """`[plugin.customers]`: who may send jobs."""

    #: Their names.
    known: tuple[str, ...] = ()


class Customers:
    """Reads the field `customer`, beside `input` in a request."""

    Settings = CustomersSettings
    fields: ClassVar = {"customer": Field(str)}

    def __init__(self, settings: CustomersSettings) -> None:
        self._known = settings.known

    @hookimpl(inline=True)  # it never blocks
    def accept(self, request):
        customer = request.fields["customer"]
        if customer not in self._known:
            raise Refused(f"customer {customer!r} is unknown; ask for an account")
