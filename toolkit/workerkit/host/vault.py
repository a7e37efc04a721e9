"""A job's fields on their way to its worker: public ones as stored, secret ones opened."""

from __future__ import annotations

import msgspec

from workerkit.hooks import Hooks
from workerkit.host.sealing import Sealer, SealError
from workerkit.payload import convert_field
from workerkit.queue import Record
from workerkit.secret import secrets_of


class Vault:
    """Opens sealed fields for the one worker that runs the job, and knows what must not come back."""

    def __init__(self, sealer: Sealer, hooks: Hooks) -> None:
        self._sealer = sealer
        self._fields = hooks.fields

    def open(self, record: Record) -> tuple[dict[str, bytes], set[str]]:
        """The fields as JSON by name, and the secrets that are among them.

        Raises `SealError` when they are gone, or the key that sealed them is.
        """
        if record.wiped:
            raise SealError(
                f"the secret fields of job {record.id} were wiped when its retention ended, so it cannot run "
                "again; submit it anew"
            )
        fields: dict[str, bytes] = {}
        if record.fields:
            raw = msgspec.json.decode(record.fields, type=dict[str, msgspec.Raw])
            fields = {name: bytes(value) for name, value in raw.items()}
        secrets: set[str] = set()
        for name, sealed in record.sealed.items():
            fields[name] = self._sealer.open(record.id, name, sealed)
            if name in self._fields:
                value = convert_field(name, msgspec.json.decode(fields[name]), self._fields[name])
                secrets.update(secrets_of(value))
        return fields, secrets

    def can_open(self, record: Record) -> None:
        """Raise `SealError` when a run of this job could not be given its secrets."""
        self.open(record)
