"""How the receiver of `examples/receiver/` catches up when what it asks is out of order."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qs, urlsplit

import pytest

RECEIVER = Path(__file__).parents[2] / "examples" / "receiver" / "receiver.py"
PAGE = json.dumps(
    {
        "events": [{"id": "msg_a_1", "job": {"id": "a", "status": "COMPLETED"}}],
        "cursor": "hello.1",
        "more": False,
    }
).encode()
#: Each a status, a body, and how many bytes of it are announced.
Answer = tuple[int, bytes, int]


def whole(status: int, body: bytes) -> Answer:
    return status, body, len(body)


def refusal(status: int, code: str) -> Answer:
    return whole(status, json.dumps({"code": code, "error": f"this is {code}"}).encode())


@contextmanager
def answering(answers: Sequence[Answer]) -> Iterator[tuple[str, list[str]]]:
    """A server with these answers, of which the last repeats; its URL, and the cursors that it was given."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
            status, body, announced = answers[min(len(asked), len(answers) - 1)]
            asked.append(query["after"][0])
            self.send_response(status)
            self.send_header("Content-Length", str(announced))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def receiver() -> ModuleType:
    """The example, as a module."""
    specification = importlib.util.spec_from_file_location("example_receiver", RECEIVER)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def caught_up(receiver: ModuleType, url: str, database: Path, cursor: str = "") -> list[str]:
    """Catch up; what it has then."""
    finished = receiver.Finished(str(database))
    if cursor:
        finished.keep([], ("hello", cursor))
    asyncio.run(asyncio.wait_for(receiver.CatchUp(finished, url, "hello", "", 0.01).run(), 60))
    with closing(sqlite3.connect(database)) as db:
        return [id for (id,) in db.execute("SELECT id FROM finished")]


@pytest.mark.parametrize(
    "bad",
    [
        (200, PAGE[:40], len(PAGE)),
        whole(502, b"<html>bad gateway</html>"),
        whole(200, b"<html>please log in</html>"),
        whole(200, b"[]"),
        whole(404, b"<html>not found</html>"),
        refusal(503, "stopping"),
        refusal(429, "too_many"),
    ],
    ids=["cut", "a proxy's 502", "a page", "no object", "a page that is 404", "503", "429"],
)
def test_after_a_bad_answer_it_asks_again(
    receiver: ModuleType, tmp_path: Path, bad: Answer, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering([bad, bad, whole(200, PAGE)]) as (url, asked):
        assert caught_up(receiver, url, tmp_path / "finished.db") == ["msg_a_1"]

    assert len(asked) == 3
    assert capsys.readouterr().err.count(f"no events from {url}, asking again: ") == 2


def test_a_refusal_is_told_and_ends_it(
    receiver: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering([refusal(403, "wrong_endpoint"), whole(200, PAGE)]) as (url, asked):
        assert caught_up(receiver, url, tmp_path / "finished.db") == []

    assert len(asked) == 1
    assert capsys.readouterr().err == "/events: this is wrong_endpoint\n"


def test_with_a_cursor_that_is_not_this_queues_it_begins_anew(receiver: ModuleType, tmp_path: Path) -> None:
    with answering([refusal(400, "bad_cursor"), whole(200, PAGE)]) as (url, asked):
        assert caught_up(receiver, url, tmp_path / "finished.db", "hello.99") == ["msg_a_1"]

    assert asked == ["hello.99", ""]
