"""Let a handler read the sender's mailbox."""

from __future__ import annotations

from typing import ClassVar

import attrs

from workerkit import Field, Resource, Secret, hookimpl


@attrs.frozen(kw_only=True)
class MailboxConfig:
    """The request's `mailbox`: `{"user": "ada", "password": "…"}`."""

    user: str
    password: Secret


class Mailbox(Resource):
    """What the handler gets."""

    def __init__(self, config: MailboxConfig) -> None:
        self.user = config.user
        self._password = config.password


class Mailboxes:
    """The field is declared secret, and so is the member that must not come back."""

    fields: ClassVar = {"mailbox": Field(MailboxConfig, secret=True)}

    @hookimpl
    def pre_job(self, job):
        config = job.fields.get("mailbox")
        if config is not None:
            job.provide(Mailbox(config))
