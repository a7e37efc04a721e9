"""Row 15: requests that mean harm. Each is answered with a 4xx in JSON, and the host keeps no memory of it.

The mistakes of people, with culprit and cure, are in `tests/integration/test_http_bad_input.py`; here
are the sizes and shapes that break parsers, and what they cost the host.
"""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import urllib3

from faulting import Growth, WatchedServer, descriptors, memory
from waiting import until

HANDLER = """
import os
from workerkit import worker_function

@worker_function
def echo(job):
    value = job["input"]
    return {"pid": os.getpid(), "echo": value if len(str(value)) < 1000 else len(value)}
"""
LIMIT = 10_000_000
#: What one body within the limit may take while it is read: a million keys are a million objects.
MOST = 15 * LIMIT
SLOW = 500
MB = 1_000_000
#: Below the limit: what a parser chokes on.
REFUSED = {
    "depth 1,000": b'{"input":' + b"[" * 1_000 + b"]" * 1_000 + b"}",
    "depth 100,000": b'{"input":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "only brackets": b"[" * LIMIT,
    "4,301 digits": b'{"input":' + b"9" * 4_301 + b"}",
    "a million digits": b'{"input":-' + b"9" * MB + b"}",
    "Infinity": b'{"input":[Infinity]}',
    "a byte order mark": b'\xef\xbb\xbf{"input":1}',
    "UTF-16 with a mark": '{"input":"é"}'.encode("utf-16"),
    "UTF-32": '{"input":1}'.encode("utf-32-be"),
    "bad UTF-8": b'{"input":"\xc3\x28"}',
    "bad UTF-8 at the end": b'{"input":"' + b"x" * (LIMIT - 20) + b'\xff"}',
    "overlong UTF-8": b'{"input":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"input":"\xed\xa0\x80"}',
    "NUL in the syntax": b'{"input":1}\x00',
    "NUL alone": b"\x00" * 1_000,
    "an escape cut short": b'{"input":"\\u12"}',
    "a number that is none": b'{"input":01}',
    "one long string that never ends": b'{"input":"' + b"\\u00e9" * 1_600_000,
}
#: Odd, and right.
TAKEN = {
    "NUL in a string": (b'{"input":"a\\u0000b"}', "a\0b"),
    "a key twice": (b'{"input":1,"input":{"a":1,"a":2}}', {"a": 2}),
    "a pair of surrogates": (b'{"input":"\\ud83d\\ude00"}', "\U0001f600"),
    "white space": (b" " * 9 * MB + b'{"input":1}' + b"\n" * 900_000, 1),
    "depth 99": (b'{"input":' + b"[" * 98 + b"]" * 98 + b"}", None),
    "a million numbers": (b'{"input":[' + b"1," * MB + b"1]}", MB + 1),
    "a million keys": (b'{"input":{' + b",".join(b'"%d":1' % n for n in range(700_000)) + b"}}", 700_000),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedServer]:
    settings = f"[limits]\nrun_body = {LIMIT}\n[server]\nheader_timeout = 2\nbody_timeout = 5\n"
    folder = tmp_path_factory.mktemp("hostile")
    with WatchedServer(folder, HANDLER, settings=settings) as server:
        assert server.run("echo", 1)["status"] == "COMPLETED"
        yield server


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_a_body_that_breaks_parsers_is_a_400_and_no_job(server: WatchedServer, body: bytes) -> None:
    jobs = len(server.statuses())

    with Growth(server.pid) as growth:
        status, answer = server.post("/v2/echo/run", body)

    print(f"the host grew by {growth.bytes / MB:.1f} MB")
    assert status == 400
    assert set(answer) == {"error", "code"}
    assert len(answer["error"]) < 1000
    assert len(server.statuses()) == jobs
    assert growth.bytes < MOST


@pytest.mark.parametrize(("body", "echo"), TAKEN.values(), ids=TAKEN)
def test_a_body_that_is_odd_and_right_is_taken(server: WatchedServer, body: bytes, echo: object) -> None:
    with Growth(server.pid) as growth:
        status, answer = server.post("/v2/echo/run", body)

    print(f"the host grew by {growth.bytes / MB:.1f} MB")
    assert growth.bytes < MOST
    assert status == 200
    ended = server.wait("echo", answer["id"])
    assert ended["status"] == "COMPLETED"
    assert echo is None or ended["output"]["echo"] == echo


def test_bytes_at_random_are_never_a_500(server: WatchedServer) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    dice = random.Random(seed)
    whole = b'{"input": {"a": [1, 2.5e3, null, true], "b": "\\u00e9\xc3\xa9"}, "policy": {"ttl": 600000}}'
    for _ in range(2_000):
        body = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            body[dice.randrange(len(body))] = dice.randrange(256)
        status, answer = server.post("/v2/echo/run", bytes(body[: dice.randint(1, len(body))]))
        assert status in (200, 400), (bytes(body), answer)


def test_a_hundred_megabytes_are_refused_and_not_kept(
    server: WatchedServer, figure: Callable[[str], None]
) -> None:
    with Growth(server.pid) as growth:
        statuses = [flood(server, announced=announced) for announced in (True, False) * 4]

    figure(
        f"row 15: 8 bodies of 100 MB: {sorted(set(statuses))}, the host grew by {growth.bytes / MB:.0f} MB"
    )
    assert set(statuses) <= {"413", "cut off"}
    assert "413" in statuses
    assert growth.bytes < 2 * LIMIT


def test_slow_connections_hold_up_no_job_and_are_closed(
    server: WatchedServer, figure: Callable[[str], None]
) -> None:
    host, _, port = server.url.removeprefix("http://").partition(":")
    files = descriptors(server.pid)
    with Growth(server.pid) as growth, ExitStack() as stack:
        for number in range(SLOW):
            connection = stack.enter_context(socket.create_connection((host, int(port))))
            body = b'Host: x\r\nContent-Length: 1000\r\n\r\n{"input"'
            connection.sendall(b"POST /v2/echo/run HTTP/1.1\r\n" + (body if number % 2 else b"X-Slow: "))
        assert server.run("echo", 1)["status"] == "COMPLETED"
        until("the host has closed them", lambda: descriptors(server.pid) <= files + 2, seconds=15)

    figure(f"row 15: {SLOW} slow connections: all closed, the host grew by {growth.bytes / MB:.0f} MB")
    assert growth.bytes < 2 * LIMIT


def test_the_host_keeps_nothing_of_what_it_has_read(
    server: WatchedServer, figure: Callable[[str], None]
) -> None:
    sizes = []
    for _ in range(10):
        for body in (*REFUSED.values(), *(body for body, _ in TAKEN.values())):
            assert server.post("/v2/echo/run", body)[0] in (200, 400)
        until("all jobs have ended", lambda: not server.unfinished())
        sizes.append(memory(server.pid))

    # A thread that has read a body keeps the allocator's room for one; they are few. Four bodies of a round
    # are about as long as the limit, and one of them kept each time would be eight of them by now.
    kept = sizes[-1] - sizes[1]
    figure(f"row 15: all of them ten times: from the second on the host keeps {kept / MB:.0f} MB")
    assert kept < 6 * LIMIT


def test_after_all_that_the_same_worker_serves(server: WatchedServer, figure: Callable[[str], None]) -> None:
    ended = server.run("echo", 1)

    assert ended["status"] == "COMPLETED"
    pids = {json.loads(body)["output"]["pid"] for (body,) in server.query("SELECT value FROM body")}
    figure(
        f"row 15: {len(REFUSED)} hostile bodies refused, {len(server.statuses())} jobs in {len(pids)} worker, "
        f"answers 500: 0"
    )
    assert pids == {ended["output"]["pid"]}
    assert set(server.statuses().values()) == {"COMPLETED"}
    assert " 500 " not in server.log()
    assert "Traceback" not in server.log()


def flood(server: WatchedServer, *, announced: bool) -> str:
    """Send 100 MB, in chunks or with its length in front; the status of the answer."""
    pieces: Iterator[bytes] = (b"x" * 65_536 for _ in range(100 * MB // 65_536))
    headers = {"Content-Length": str(100 * MB // 65_536 * 65_536)} if announced else {}
    try:
        answer = server.http.request("POST", f"{server.url}/v2/echo/run", body=pieces, headers=headers)
    except (urllib3.exceptions.HTTPError, OSError):
        return "cut off"
    return str(answer.status)
