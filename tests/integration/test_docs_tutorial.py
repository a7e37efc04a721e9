"""A reader follows the tutorial: every file is saved, every command is run, in the order of the page."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from documentation import Block, blocks, pages
from environments import Environment
from waiting import until
from workerkit.testing import Receiver, Server

#: What the first block makes, a test environment is; it fetches nothing.
BEGIN = [
    "mkdir slack-plugin && cd slack-plugin",
    "python3 -m venv .venv && . .venv/bin/activate",
    "pip install ~/workerkit",
]
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
SLACK = "https://hooks.slack.com"


class Reader:
    """Does what the blocks of a page say, in a shell that stays: its folder and variables are kept."""

    def __init__(self, folder: Path, slack: Receiver) -> None:
        self.environment = Environment(folder / "environment")
        self.folder = folder / "slack-plugin"
        self.folder.mkdir()
        self.printed: dict[str, str] = {}
        self.server: Server | None = None
        self._variables = dict(OFFLINE)
        self._slack = slack

    def follow(self, block: Block) -> None:
        """Save a file, or run commands."""
        if block.title == "terminal":
            assert block.text.splitlines() == BEGIN
        elif block.title:
            (self.folder / block.title).write_text(block.text)
        elif block.language == "bash":
            for line in block.text.splitlines():
                self._command(line.replace(SLACK, self._slack.url))

    def close(self) -> None:
        """Stop the server, when the page has started one."""
        if self.server is not None:
            self.server.close()

    def _command(self, line: str) -> None:
        if line == "workerkit serve handler.py":
            self._serve()
        elif line.startswith("curl "):
            self._post(*shlex.split(line)[1:])
        else:
            self._shell(line)

    def _shell(self, line: str) -> None:
        keep = 'pwd > "$KEPT/folder"; env -0 > "$KEPT/variables"'
        kept = {"KEPT": str(self.environment.folder)}
        done = self.environment.run(
            "sh", "-euc", f"{line}\n{keep}", cwd=self.folder, env=self._variables | kept
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        self.printed[line] = done.stdout
        self.folder = Path((self.environment.folder / "folder").read_text().strip())
        variables = (self.environment.folder / "variables").read_text().split("\0")
        self._variables |= dict(pair.split("=", 1) for pair in variables if pair.startswith("SLACK_"))

    def _serve(self) -> None:
        program = self.environment.program
        self.server = Server(self.folder, "handler.py", environ=self._variables, program=program)
        self.server.start()

    def _post(self, flag: str, body: str, url: str) -> None:
        server = self.server
        assert server is not None
        assert flag == "-d"
        path = url.removeprefix("http://127.0.0.1:8000")
        self.printed["curl"] = server.post(path, body.encode())[1]["status"]
        until("the message is sent", lambda: server.get("/deliveries?state=delivered")[1]["deliveries"])


def test_a_reader_of_the_tutorial_gets_a_tested_plugin_that_tells_slack(tmp_path: Path) -> None:
    with Receiver() as slack:
        reader = Reader(tmp_path, slack)
        try:
            for block in blocks("tutorial.md", pages()["tutorial.md"]):
                reader.follow(block)
        finally:
            reader.close()

    assert reader.printed["curl"] == "FAILED"
    assert re.fullmatch(r"render: job \S+ is FAILED", slack.requests[0].json["text"])
    assert "slack to slack: delivered" in reader.printed["workerkit deliveries list"]
