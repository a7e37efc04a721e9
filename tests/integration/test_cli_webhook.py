"""`workerkit webhook secret`, and the settings that it tells to paste."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from workerkit.signing import verify
from workerkit.testing import Receiver, Server

HANDLER = """
from workerkit import worker_function

@worker_function
def echo(job):
    return job["input"]
"""
COMMAND = [sys.executable, "-m", "workerkit", "webhook", "secret"]


def test_a_new_secret_can_be_piped_and_says_where_to_put_it() -> None:
    done = [
        subprocess.run(
            COMMAND,
            capture_output=True,
            text=True,
            timeout=60,
        )
        for _ in range(2)
    ]

    assert [one.returncode for one in done] == [0, 0]
    assert all(re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", one.stdout) for one in done)
    assert done[0].stdout != done[1].stdout
    assert '[plugin.webhook]\n    secrets = ["env:WEBHOOK_SECRET"]\n' in done[0].stderr
    assert done[0].stdout.strip() not in done[0].stderr


def test_the_pasted_settings_sign_with_the_secret(tmp_path: Path) -> None:
    made = subprocess.run(COMMAND, capture_output=True, text=True, timeout=60)
    secret, pasted = made.stdout.strip(), made.stderr[made.stderr.index("[plugin.webhook]") :]
    with (
        Receiver() as receiver,
        Server(tmp_path, HANDLER, settings=pasted, environ={"WEBHOOK_SECRET": secret}) as server,
    ):
        server.submit("echo", webhook=receiver.url)
        [got] = receiver.wait(1)

    verify([secret], got.headers, got.body)
