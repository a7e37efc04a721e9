from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

from memory_site import Site, settings, until


@pytest.fixture
def site() -> Iterator[Site]:
    with Site(settings()) as running:
        yield running


ROUTES = [
    ("POST", "/v2/render/runsync", ["wait", "render", "sync-1", 90.0]),
    ("POST", "/v2/render/runsync?wait=5000", ["wait", "render", "sync-1", 5.0]),
    ("POST", "/v2/render/runsync?wait=0", ["wait", "render", "sync-1", 1.0]),
    ("POST", "/v2/render/runsync?wait=999999999", ["wait", "render", "sync-1", 300.0]),
    ("POST", "/v2/render/run?other=1", {"id": "1", "status": "IN_QUEUE"}),
    ("GET", "/v2/render/status/7", ["status", "render", "7"]),
    ("POST", "/v2/render/status/7?ttl=5", ["status", "render", "7"]),
    ("GET", "/v2/render/status-sync/7?wait=2000", ["wait", "render", "7", 2.0]),
    ("POST", "/v2/render/status-sync/7", ["wait", "render", "7", 90.0]),
    ("GET", "/v2/render/stream/7", ["stream", "render", "7", 5.0]),
    ("POST", "/v2/render/stream/7?wait=60000", ["stream", "render", "7", 5.0]),
    ("POST", "/v2/render/cancel/7", ["cancel", "render", "7"]),
    ("POST", "/v2/render/retry/7", ["retry", "render", "7"]),
    ("POST", "/v2/render/purge-queue", ["purge", "render"]),
    ("GET", "/v2/render/health", ["health", "render"]),
    ("GET", "/v2/render/schema", ["schema", "render"]),
    ("GET", "/healthz", {"status": "ok"}),
    ("GET", "/jobs", ["list_jobs", None, None, None, 100]),
    ("GET", "/jobs?endpoint=a&status=FAILED&after=3&limit=9", ["list_jobs", "a", "FAILED", 3, 9]),
    ("GET", "/jobs/7", ["show_job", "7"]),
    ("POST", "/jobs/7/cancel", ["cancel_job", "7"]),
    ("GET", "/v2/render/events", ["events", "render", "", 100, 0.0]),
    ("GET", "/v2/render/events?after=c&limit=7&wait=2500", ["events", "render", "c", 7, 2.5]),
    ("GET", "/v2/render/events?after=&wait=60000", ["events", "render", "", 100, 60.0]),
    ("GET", "/deliveries", ["list", {}, None, 100]),
    (
        "GET",
        "/deliveries?state=dead&job=7&since=2h&after=5&limit=1000",
        ["list", {"state": "dead", "job": "7", "since": "2h"}, 5, 1000],
    ),
    ("GET", "/deliveries/attempts", ["attempts", None, 0]),
    ("GET", "/deliveries/attempts?after=0&wait=60", ["attempts", 0, 60]),
    ("GET", "/deliveries/d", ["show", "d"]),
    ("POST", "/deliveries/redeliver", ["redeliver_all", {}]),
    ("POST", "/deliveries/d/redeliver", ["redeliver", "d"]),
]


def test_every_route_answers_200_and_json(site: Site) -> None:
    for method, path, expected in ROUTES:
        answer = site.ask(method, path)
        assert (path, answer.status, answer.json()) == (path, 200, expected)
        assert answer.headers["content-type"] == "application/json"


WRONG = [
    ("GET", "/v2/render/run", 405, "wrong_method", "/v2/render/run takes POST, not GET"),
    ("DELETE", "/v2/render/status/7", 405, "wrong_method", "takes GET and POST, not DELETE"),
    ("OPTIONS", "/v2/render/run", 405, "wrong_method", "takes POST"),
    ("POST", "/jobs", 405, "wrong_method", "/jobs takes GET, not POST"),
    ("POST", "/readyz", 405, "wrong_method", "takes GET and HEAD"),
    ("POST", "/v2/render/runsnyc", 404, "unknown_path", "did you mean 'runsync'?"),
    ("POST", "/v2/render/run/", 404, "unknown_path", "the path is /v2/render/run"),
    ("GET", "/v2/render/status", 404, "unknown_path", "the path is /v2/render/status/{id}"),
    ("GET", "/v2/render/status/", 404, "unknown_path", "the path is /v2/render/status/{id}"),
    ("POST", "/render/run", 404, "unknown_path", "jobs are under /v2/{endpoint}/: run, runsync"),
    ("GET", "/" + "x" * 5000, 404, "unknown_path", "there is nothing at /xxx"),
    ("POST", "/v2/nobody/run", 404, "unknown_endpoint", "known: render"),
    ("POST", "/v2/render/runsync?wait=soon", 400, "bad_wait", "'soon'; it must be a whole number of milli"),
    ("GET", "/jobs?statuss=FAILED", 400, "bad_query", "did you mean 'status'?"),
    ("GET", "/jobs?after=0", 400, "bad_query", "after is '0'; it must be a whole number from 1"),
    ("GET", "/jobs?limit=0", 400, "bad_query", "limit is '0'; it must be a whole number from 1 to 1000"),
    ("GET", "/deliveries?stat=dead", 400, "bad_query", "'stat' is no filter here; did you mean 'state'?"),
    ("GET", "/deliveries/redeliver", 405, "wrong_method", "/deliveries/redeliver takes POST, not GET"),
    (
        "GET",
        "/deliveries/attempts?wait=61",
        400,
        "bad_query",
        "wait is '61'; it must be a whole number from 0",
    ),
    ("GET", "/v2/render/events?cursor=5", 400, "bad_query", "'cursor' is no filter here (known: after, lim"),
    (
        "GET",
        "/v2/render/events?limit=1001",
        400,
        "bad_query",
        "limit is '1001'; it must be a whole number fr",
    ),
    (
        "GET",
        "/v2/render/events?wait=soon",
        400,
        "bad_query",
        "'soon'; it must be a whole number from 0 to 60000",
    ),
    (
        "GET",
        "/v2/render/events?wait=70000",
        400,
        "bad_query",
        "'70000'; it must be a whole number from 0 to 6",
    ),
    ("POST", "/v2/render/events", 405, "wrong_method", "takes GET, not POST"),
    ("GET", "/v2/render/status/bug", 500, "internal", "its log says why"),
]


def test_every_mistake_is_answered_with_a_sentence_and_a_code(site: Site) -> None:
    for method, path, status, code, sentence in WRONG:
        answer = site.ask(method, path)
        error = answer.json()
        assert (path[:60], answer.status, error["code"]) == (path[:60], status, code)
        assert sentence in error["error"]
        assert len(error["error"]) < 700
    assert site.ask("GET", "/v2/render/run").headers["allow"] == "POST"


def test_a_queue_that_cannot_be_used_is_a_503_that_says_to_come_again(site: Site) -> None:
    for path in ("/v2/render/cancel/locked", "/deliveries/locked/redeliver"):
        answer = site.ask("POST", path)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.json() == {"error": "another process holds the lock", "code": "queue_unavailable"}


def test_readiness_is_503_until_workers_are_ready(site: Site) -> None:
    assert site.ask("GET", "/readyz").status == 503


def test_ignored_keys_are_named_in_a_bounded_header(site: Site) -> None:
    assert site.ask("POST", "/v2/render/run", b"##").headers["x-workerkit-ignored"] == "key%200, key%201"
    many = site.ask("POST", "/v2/render/run", b"#" * 900).headers["x-workerkit-ignored"]
    assert many.endswith("key%2019, and 880 more")
    assert "x-workerkit-ignored" not in site.ask("POST", "/v2/render/run", b"").headers


def test_the_idempotency_key_is_passed_on(site: Site) -> None:
    assert site.ask("POST", "/v2/render/run", b"", Idempotency_Key="mine").json()["id"] == "mine"


def test_bodies_are_read_whole_up_to_their_limit(site: Site) -> None:
    for body in (b"", b"x", b"x" * 1000):
        assert site.ask("POST", "/v2/render/run", body).status == 200
        assert site.jobs.bodies[-1] == body
    assert site.ask("POST", "/v2/render/runsync", b"x" * 2000).status == 200


def test_an_announced_body_above_the_limit_is_refused_before_it_is_sent(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(b"POST /v2/render/run HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n")
        answer = until(connection, b"larger than 1000 bytes")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"larger than 1000 bytes" in answer


def test_a_chunked_body_is_cut_off_at_the_limit_and_its_sender_reads_why(site: Site) -> None:
    with site.connect() as connection:
        head = b"POST /v2/render/run HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + (b"3e8\r\n" + b"x" * 1000 + b"\r\n") * 50)
        assert until(connection, b"too_large").startswith(b"HTTP/1.1 413 ")
        connection.sendall(b"0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b'{"status":"ok"}' in until(connection, b'{"status":"ok"}')
    assert site.jobs.bodies == []


@pytest.mark.parametrize("length", ["Content-Length: 5000000", "Transfer-Encoding: chunked"])
def test_who_sends_on_and_wants_the_connection_closed_reads_why_its_body_is_refused(
    site: Site, length: str
) -> None:
    """As Python's urllib does: a connection that is closed while more comes is reset, and its answer is lost."""
    head = f"POST /v2/render/run HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{length}\r\n\r\n"
    body = b"x" * 5_000_000 if "Content" in length else b"4c4b40\r\n" + b"x" * 5_000_000 + b"\r\n0\r\n\r\n"
    with site.connect() as connection:
        connection.sendall(head.encode() + body)
        assert until(connection, b"too_large").startswith(b"HTTP/1.1 413 ")
        while more := connection.recv(65536):
            assert more == b'"}'
    assert site.jobs.bodies == []


def test_a_compressed_body_is_refused(site: Site) -> None:
    answer = site.ask("POST", "/v2/render/run", b"x", Content_Encoding="gzip")
    assert (answer.status, answer.json()["code"]) == (400, "bad_encoding")


def test_a_header_or_body_that_does_not_arrive_in_time_ends_the_connection() -> None:
    head = b"POST /v2/render/run HTTP/1.1\r\nHost: localhost\r\n"
    with Site(settings(header_timeout=0.2, body_timeout=0.3)) as site:
        assert site.raw(b"") == b""
        assert b" 408 " in (late := site.raw(head))
        assert b"the request's header did not arrive within 0.2 s" in late
        late = site.raw(head + b"Content-Length: 5\r\n\r\nab")
        assert b'the request\'s body did not arrive within 0.3 s","code":"too_slow"' in late


def test_a_dripping_header_does_not_buy_time() -> None:
    with Site(settings(header_timeout=0.3)) as site, site.connect() as connection:
        connection.settimeout(0.02)
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        started, answer = time.monotonic(), b""
        while not answer and time.monotonic() - started < 10:
            with contextlib.suppress(TimeoutError):
                connection.sendall(b"x-drip: 1\r\n")
                answer = connection.recv(65536)
        assert b" 408 " in answer
        assert time.monotonic() - started < 2


def test_a_kept_connection_has_a_deadline_for_its_next_header_too() -> None:
    ask = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    with Site(settings(header_timeout=0.2)) as site:
        answers = site.raw(ask + b"\r\n" + ask)
    assert answers.count(b"HTTP/1.1 200") == 1
    assert answers.count(b"HTTP/1.1 408") == 1


def test_what_is_not_http_and_endless_headers_are_refused(site: Site) -> None:
    assert b'"code":"bad_http"' in site.raw(b"hello\r\n\r\n")
    assert b'"code":"bad_header"' in site.raw(b"GET / HTTP/1.1\r\nx: " + b"y" * 66_000)


def test_a_header_is_bounded_also_when_it_comes_in_one_piece(site: Site) -> None:
    fields = b"".join(b"x-%d: %s\r\n" % (n, b"y" * 1000) for n in range(100))
    for head in (b"GET /healthz HTTP/1.1\r\n" + fields, b"GET /" + b"y" * 66_000 + b" HTTP/1.1\r\n"):
        answer = site.raw(head + b"Host: localhost\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert answer.count(b"HTTP/1.1") == 1
        assert b"send at most 65536 bytes" in answer


def test_a_body_does_not_count_as_the_next_requests_header(site: Site) -> None:
    head = b"POST /v2/render/runsync HTTP/1.1\r\nHost: localhost\r\n"
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n" + (b"1\r\nx\r\n" * 1500) + b"0\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    with site.connect() as connection:
        connection.sendall(chunked * 10 + last)
        connection.sendall(b"Connection: close\r\n\r\n")
        answers = until(connection, b'{"status":"ok"}')
    assert b" 431 " not in answers
    assert b'{"status":"ok"}' in answers


def test_two_host_headers_are_refused(site: Site) -> None:
    hosts = b"Host: evil.example\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    for path in (b"/v2/render/health", b"/jobs"):
        answer = site.raw(b"GET %s HTTP/1.1\r\n%s" % (path, hosts))
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b'"code":"bad_host"' in answer


def test_in_a_hurry_held_requests_are_answered_at_once() -> None:
    with Site(settings(), grace=60) as site, site.connect() as connection:
        connection.sendall(b"GET /v2/render/stream/held HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert site.jobs.stream_begun.wait(10)
        site.stop()
        site.hurry()
        assert b"HTTP/1.1 503" in until(connection, b"the server is stopping")


def test_pipelined_requests_are_answered_in_order(site: Site) -> None:
    one = b"GET /v2/render/status/%d HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
    answers = site.raw(one % (1, b"") + one % (2, b"") + one % (3, b"Connection: close\r\n"))
    assert [answers.find(b'"%d"' % n) for n in (1, 2, 3)] == sorted(
        answers.find(b'"%d"' % n) for n in (1, 2, 3)
    )
    assert answers.count(b"HTTP/1.1 200") == 3


def test_chunks_are_not_taken_for_a_caller_that_has_left(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(b"GET /v2/render/stream/held HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert not site.jobs.streams_cancelled.wait(0.1)
    assert site.jobs.streams_cancelled.wait(10)


def test_events_are_not_waited_for_when_their_caller_has_left(site: Site) -> None:
    with site.connect() as connection:
        connection.sendall(b"GET /v2/render/events?after=held&wait=60000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert site.jobs.outgoing.held.wait(10)
        assert not site.jobs.outgoing.given_up.is_set()
    assert site.jobs.outgoing.given_up.wait(10)


def test_a_stop_answers_what_is_held_with_the_job_as_it_is() -> None:
    with Site(settings(), grace=0.1) as site, site.connect() as held, site.connect() as idle:
        held.sendall(b"GET /v2/render/status-sync/held HTTP/1.1\r\nHost: localhost\r\n\r\n")
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert until(idle, b'"ok"}').startswith(b"HTTP/1.1 200 ")
        site.stop()
        assert b'["status", "render", "held"]' in until(held, b'"held"]')
        assert idle.recv(65536) == b""
        assert held.recv(65536) == b""
