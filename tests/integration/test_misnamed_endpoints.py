"""`[plugin.NAME.endpoints.FUNCTION]` for a function that is not there: a warning at the start and at a reload."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from waiting import until
from workerkit.testing import Server

HANDLER = """
from workerkit import worker_function

@worker_function
def render(job):
    return 1
"""
SETTINGS = "[plugin.webhook.endpoints.rendr]\nheaders = {}\n[plugin.webhook.endpoints.render]\nheaders = {}\n"
WARNING = (
    "[plugin.webhook.endpoints.rendr] has no effect: there is no function 'rendr'; did you mean 'render'?"
)


def test_it_is_told_once_at_the_start_and_once_at_each_reload(tmp_path: Path) -> None:
    with Server(tmp_path, HANDLER, settings=SETTINGS) as server:
        assert server.log().count(WARNING) == 1
        assert "endpoints.render]" not in server.log()
        (tmp_path / "handler.py").write_text(HANDLER.replace("def render", "def other"))
        os.kill(server.pid, signal.SIGHUP)
        until("the code is read again", lambda: "reloaded handler.py" in server.log())

        assert "[plugin.webhook.endpoints.render] has no effect" in server.log()
        assert server.log().count("[plugin.webhook.endpoints.rendr] has no effect") == 2
