"""Our own side: jobs go in over HTTP, one keep-alive connection, and are read back over it.

Workers are there from the start; each is held by a job at a gate until `open` is called, so that what
is measured is the drain of a full queue.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
from pathlib import Path

import producer

GATE = Path(os.environ["BENCH_FOLDER"]) / "gate"
HELD = int(os.environ["BENCH_WORKERS"])


class Client:
    def __init__(self):
        self._connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["BENCH_PORT"]))

    def _call(self, method, path, body=None):
        self._connection.request(method, f"/v2/noop{path}", body)
        answer = self._connection.getresponse()
        value = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {value}")
        return value

    def put(self, input):
        return self._call("POST", "/run", json.dumps({"input": input}))["id"]

    def hold(self):
        if not GATE.exists():
            os.mkfifo(GATE)
            for _ in range(HELD):
                self.put({"gate": str(GATE)})

    def result(self, id):
        return self._call("GET", f"/status-sync/{id}?wait=10000")["output"]


if __name__ == "__main__":
    if sys.argv[1] == "open":
        with GATE.open("wb"):
            signal.pause()
    else:
        client = Client()
        producer.start(client.put, client.result, client.hold)
