"""Bodies that do not arrive in one piece, over real sockets."""

from __future__ import annotations

import asyncio
import os
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from memory_site import Site, until
from workerkit.server.body import Gathered
from workerkit.settings import LimitsSettings, ServerSettings, Settings

LIMIT = 3_000_000
HEAD = b"POST /v2/render/runsync HTTP/1.1\r\nHost: localhost\r\n"
ANSWERED = b'"sync-1", 90.0]'


@pytest.fixture
def site() -> Iterator[Site]:
    with Site(settings()) as running:
        yield running


def settings(**server: Any) -> Settings:
    limits = LimitsSettings(run_body=LIMIT, runsync_body=LIMIT)
    return Settings(server=ServerSettings(port=0, **server), limits=limits)


def announced(body: bytes) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [70_000, 1_048_576, LIMIT])
def test_a_large_body_arrives_as_it_was_sent(site: Site, size: int) -> None:
    body = os.urandom(size)
    with site.connect() as connection:
        for request in (announced(body), chunked(body, 50_000), announced(body[:-1])):
            connection.sendall(request)
            assert until(connection, ANSWERED).startswith(b"HTTP/1.1 200 ")
    assert site.jobs.bodies == [body, body, body[:-1]]


def test_large_bodies_may_follow_each_other_without_waiting_for_answers(site: Site) -> None:
    bodies = [os.urandom(300_000 + n) for n in range(3)]
    with site.connect() as connection:
        connection.sendall(
            b"".join(map(announced, bodies)) + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        answers = until(connection, b'{"status":"ok"}')
    assert answers.count(ANSWERED) == 3
    assert site.jobs.bodies == bodies


def test_a_body_may_come_in_drops(site: Site) -> None:
    with site.connect() as connection:
        request = announced(b"x" * 40)
        for at in range(len(request)):
            connection.sendall(request[at : at + 1])
            time.sleep(0.001)  # so that most of them are read one by one
        assert until(connection, ANSWERED).startswith(b"HTTP/1.1 200 ")
    assert site.jobs.bodies == [b"x" * 40]


def test_a_sender_that_asks_first_is_told_to_go_on(site: Site) -> None:
    body = os.urandom(500_000)
    with site.connect() as connection:
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: 500000\r\n\r\n")
        assert until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert until(connection, ANSWERED).startswith(b"HTTP/1.1 200 ")
    assert site.jobs.bodies == [body]


def test_a_body_without_a_length_is_refused_once_it_is_above_the_limit(site: Site) -> None:
    """Though its end has not come; what comes then is let drain, and the connection goes on."""
    endless = chunked(b"x" * (LIMIT + 1), 100_000).removesuffix(b"0\r\n\r\n")
    with site.connect() as connection:
        connection.sendall(endless)
        assert until(connection, b"too_large").startswith(b"HTTP/1.1 413 ")
        connection.sendall(b"3\r\nxxx\r\n0\r\n\r\n" + announced(b"next"))
        assert until(connection, ANSWERED).startswith(b"HTTP/1.1 200 ")
    assert site.jobs.bodies == [b"next"]


def test_a_sender_that_leaves_in_the_middle_has_sent_nothing(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(announced(b"x" * 200_000)[:-1])
    assert site.ask("POST", "/v2/render/run", b"whole").status == 200
    assert site.jobs.bodies == [b"whole"]


def test_a_large_body_that_stalls_is_refused() -> None:
    with Site(settings(body_timeout=0.3)) as site, site.connect() as connection:
        connection.sendall(announced(b"x" * 200_000)[:-1])
        assert b'the request\'s body did not arrive within 0.3 s","code":"too_slow"' in until(
            connection, b"}"
        )
    assert site.jobs.bodies == []


def test_a_body_in_many_pieces_takes_no_more_room_than_the_body() -> None:
    async def gather() -> tuple[bytes, int]:
        tracemalloc.start()
        gathered = Gathered(b"", LIMIT)
        for n in range(100_000):
            gathered.add(n.to_bytes(3, "big"))
        gathered.end()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return await gathered.whole, most

    body, most = asyncio.run(gather())
    assert len(body) == 300_000
    assert most < 3 * len(body)
