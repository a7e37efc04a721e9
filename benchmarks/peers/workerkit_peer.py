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
import time
from pathlib import Path

import producer

GATE = Path(os.environ["BENCH_FOLDER"]) / "gate"


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

    def result(self, id):
        return self._call("GET", f"/status-sync/{id}?wait=10000")["output"]

    def stored(self, id):
        """When the end of a job is stored, by the clock that `job.py` uses."""
        while self._call("GET", f"/status-sync/{id}?wait=60000")["status"] != "COMPLETED":
            pass
        return time.monotonic_ns()


if __name__ == "__main__":
    if sys.argv[1] == "open":
        with GATE.open("wb"):
            signal.pause()
    elif sys.argv[1] == "stored":
        print(Client().stored(sys.argv[2]), flush=True)
    else:
        client = Client()
        producer.start(client.put, client.result)
