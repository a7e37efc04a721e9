"""`python counted_server.py FOLDER JOBS`: a server that counts what it does for each of so many jobs.

They come one after another. The handler counts in its worker. What both have counted is in FOLDER/counted.json.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import uvloop

from counting import Counting
from workerkit.app import App, Started
from workerkit.queue import writer
from workerkit.settings import load_settings

HANDLER = """
from counting import Counting
from workerkit import worker_function

counting, jobs = Counting(), []

@worker_function
def echo(job):
    jobs.append(list(counting.taken().items()))
    return jobs if job["input"] == "all" else job["input"]
"""


class Client:
    """Sends a request in one piece, so that it always arrives in one."""

    def __init__(self, url: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=60)
        self._answers = self._socket.makefile("rb")

    def run(self, input: object) -> Any:
        body = json.dumps({"input": input})
        head = f"POST /v2/echo/runsync HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        self._socket.sendall((head + body).encode())
        status, length = self._answers.readline(), 0
        while line := self._answers.readline().strip().lower():
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        answer = json.loads(self._answers.read(length))
        assert b" 200 " in status, answer
        return answer["output"]


def counted(folder: Path, jobs: int) -> dict[str, list[Any]]:
    """What the host and the worker did for each job, as pairs of what and how often."""
    (folder / "handler.py").write_text(HANDLER)
    # With all that counting no job is short, and whether its end came in time would be left to chance.
    writer.LINGER = 60.0
    found: dict[str, list[Any]] = {"host": []}

    def send(url: str) -> None:
        sys.setprofile(None)
        try:
            client = Client(url)
            for number in range(jobs):
                assert client.run(number) == number
                found["host"].append(list(counting.taken().items()))
            found["worker"] = client.run("all")
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def begin(started: Started) -> None:
        threading.Thread(target=send, args=[started.url]).start()

    flags = {"server.port": 0, "queue.url": f"sqlite:///{folder}/queue.db", "plugins.autoload": ["workerkit"]}
    settings = load_settings(flags=flags, environ={})
    app = App(settings, str(folder / "handler.py"), begin)
    counting = Counting()
    uvloop.run(app.run())
    return found


if __name__ == "__main__":
    place = Path(sys.argv[1])
    (place / "counted.json").write_text(json.dumps(counted(place, int(sys.argv[2]))))
