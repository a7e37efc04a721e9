"""A webhook receiver for tests: keeps every request, answers as told, and can be waited for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import attrs


@attrs.frozen
class Received:
    """One request as it arrived; the names of `headers` are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


#: What a receiver answers: the same status to all, one after the other, or as a function says.
Answers = int | Sequence[int] | Callable[[Received], int]


class Receiver:
    """Listens on loopback while the block runs, and answers every request.

        with Receiver([503, 200]) as receiver:
            run_job(render, 1, fields={"webhook": receiver.url + "/done"}).deliver()
            first, second = receiver.wait(2, "/done")

    `answer` is a status, a list of statuses for the first, second … request, of which the last
    repeats, or a function from a `Received` to a status. Set it again at any time.
    """

    def __init__(self, answer: Answers = 200) -> None:
        self.requests: list[Received] = []
        self.answer = answer
        self._arrived = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def answer(self) -> Answers:
        """What it answers."""
        return self._answer

    @answer.setter
    def answer(self, answer: Answers) -> None:
        if isinstance(answer, Sequence) and not answer:
            raise ValueError("a Receiver needs at least one status to answer, such as [503, 200]")
        self._answer = answer
        #: How many requests came before this answer was set.
        self._before = len(self.requests)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait(self, count: int = 1, path: str = "", seconds: float = 30.0) -> list[Received]:
        """The requests whose path starts with `path`, once there are `count` of them."""
        with self._arrived:
            enough = self._arrived.wait_for(lambda: len(self.at(path)) >= count, seconds)
        assert enough, f"{len(self.at(path))} of {count} requests to {path!r} came within {seconds:g} s"
        return self.at(path)

    def at(self, path: str) -> list[Received]:
        """The requests so far whose path starts with `path`."""
        return [received for received in self.requests if received.path.startswith(path)]

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _keep(self, received: Received) -> int:
        """Keep a request; returns the status that answers it."""
        with self._arrived:
            number = len(self.requests) - self._before
            self.requests.append(received)
            self._arrived.notify_all()
        answer = self._answer
        if isinstance(answer, int):
            return answer
        return answer[min(number, len(answer) - 1)] if isinstance(answer, Sequence) else answer(received)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # the sender was killed while it sent
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.send_response(receiver._keep(Received(self.path, headers, body, self.command)))
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler
