"""`workerkit plugin check` in a process, and a plugin that keeps every promise, to be changed and checked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PLUGIN = """
import urllib.request

import attrs
from workerkit import Delivery, Field, Receipt, Secret, hookimpl


@attrs.frozen
class Settings:
    url: str = ""
    token: Secret = Secret("")
    attempts: int = attrs.field(default=3, validator=attrs.validators.ge(1))


class Chat:
    Settings = Settings
    fields = {"room": Field(str)}

    def __init__(self, settings):
        self.settings = settings

    @hookimpl
    def post_job(self, request):
        room = request.fields.get("room")
        return Delivery(target=room, attempts=self.settings.attempts) if room else None

    @hookimpl
    def deliver(self, delivery):
        headers = {"Authorization": self.settings.token.reveal()}
        urllib.request.urlopen(urllib.request.Request(self.settings.url, delivery.body, headers)).close()
        return Receipt.delivered()
"""


def check(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "workerkit", "plugin", "check", *arguments]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True, timeout=120
    )
