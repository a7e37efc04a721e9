"""A webhook receiver for tests: keeps every request, answers as told, and can be waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

import attrs


@attrs.frozen
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Listens on loopback while the block runs. `answer` gives the status for a request."""

    def __init__(self, answer: Callable[[Received], int] = lambda received: 200) -> None:
        self.requests: list[Received] = []
        self._answer = answer
        self._arrived = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait(self, count: int, path: str = "", seconds: float = 30.0) -> list[Received]:
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

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                if len(body) < length:
                    return  # the sender was killed while it sent
                received = Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                with receiver._arrived:
                    receiver.requests.append(received)
                    receiver._arrived.notify_all()
                self.send_response(receiver._answer(received))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        return Handler
