"""Row 13: receivers of webhooks that misbehave on the wire, all at once. None of them costs more than itself."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs
import pytest

from certificates import certificate, server_context
from faulting import Growth, WatchedServer
from receivers import OK, Behaviour, Talk, drips, hangs, receiver, says
from waiting import until
from workerkit.testing import Receiver

#: Seconds: the deadlines of a try and of its connection, a quarter or so of the defaults, because who hangs
#: takes all of it twice; and what may come on top.
TIMEOUT, CONNECT_TIMEOUT, MARGIN = 4.0, 2.0, 1.0
GROWTH = 5_000_000
HANDLER = """
from workerkit import worker_function


@worker_function
def echo(job):
    return job["input"]
"""
SETTINGS = f"""
[plugin.webhook]
retry_delay = 0.5
timeout = {TIMEOUT}
connect_timeout = {CONNECT_TIMEOUT}
"""


@attrs.frozen
class Case:
    """A receiver, and what a webhook to it comes to: tries, state, and the words of the last row."""

    behave: Behaviour
    tries: int
    state: str
    words: str
    tls: str = ""


def resets(talk: Talk) -> None:
    talk.read()
    talk.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def floods(talk: Talk) -> None:
    talk.read()
    talk.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    for _ in range(15_259):
        talk.sock.sendall(b"x" * 65536)


def answers(status: str, *headers: str, body: bytes = b"") -> Behaviour:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return says("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


MANY = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(10_000)) + b"\r\n"
LATE = f"no complete answer from .* within {TIMEOUT:g} s"
UNCONNECTED = f"not connected within {CONNECT_TIMEOUT:g} s"
CASES = {
    "takes the request and says nothing": Case(hangs, 2, "dead", LATE),
    "drips headers": Case(drips(b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n"), 2, "dead", f"{LATE}|headers"),
    "drips a body": Case(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x"), 2, "dead", LATE),
    "says nothing in TLS": Case(hangs, 2, "dead", f"{LATE}|{UNCONNECTED}", tls="raw"),
    "answers 500": Case(answers("500 Oops", body=b"the disk is full"), 2, "dead", "answered 500"),
    "resets": Case(resets, 2, "dead", "no answer from"),
    "sends 1 GB": Case(floods, 1, "delivered", "answered 200"),
    "sends 10,000 headers": Case(says(MANY), 2, "dead", "no answer from .* headers"),
    "has an unknown certificate": Case(says(OK), 2, "dead", "certificate is not valid", tls="unknown"),
    "has another's certificate": Case(says(OK), 2, "dead", "certificate is not valid", tls="other"),
    "is well, in TLS": Case(says(OK), 1, "delivered", "answered 200", tls="localhost"),
    "redirects to the metadata": Case(
        answers("301 Moved", "Location: http://169.254.169.254/latest"),
        2,
        "dead",
        "redirects are not followed",
    ),
    "answers 204": Case(
        answers("204 No Content"), 2, "dead", 'answered 204; only 200 acknowledges; set acknowledge = "2xx"'
    ),
    "is gone": Case(answers("410 Gone"), 1, "dead", "answered 410; the receiver is gone"),
    "asks for no more": Case(
        answers("400 Bad", "webhook-delivery: abort-message"),
        1,
        "dead",
        "abort-message; it is not tried again",
    ),
    "asks to wait": Case(answers("429 Slow", "Retry-After: 2"), 2, "dead", "answered 429"),
}


@contextmanager
def nobody_accepts() -> Iterator[int]:
    """A port whose connections wait to be accepted, and there is room for no more of them."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as stack:
        port: int = listener.getsockname()[1]
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield port


@contextmanager
def all_of_them(folder: Path) -> Iterator[tuple[dict[str, str], Path]]:
    """A URL for each case, and the certificates that the server is to trust."""
    (folder / "unknown").mkdir()
    known = certificate(folder, "localhost"), certificate(folder, "example.com")
    unknown = certificate(folder / "unknown", "localhost")
    trusted = folder / "trusted.pem"
    trusted.write_bytes(b"".join(path.read_bytes() for path in known))
    contexts: dict[str, ssl.SSLContext | None] = {"": None, "raw": None, "unknown": server_context(unknown)}
    contexts |= {"localhost": server_context(known[0]), "other": server_context(known[1])}
    with ExitStack() as stack:
        urls = {}
        for name, case in CASES.items():
            server = stack.enter_context(receiver(case.behave, contexts[case.tls]))
            host = "https://localhost" if case.tls else "http://127.0.0.1"
            urls[name] = f"{host}:{server.port}/hook?token=hush"
        yield urls, trusted


def test_bad_receivers_cost_nobody_but_themselves(tmp_path: Path, figure: Callable[[str], None]) -> None:
    with (
        all_of_them(tmp_path) as (urls, trusted),
        nobody_accepts() as port,
        receiver(says(OK)) as elsewhere,
        receiver(answers("307 Moved", f"Location: http://127.0.0.1:{elsewhere.port}/")) as redirecting,
        Receiver() as good,
        WatchedServer(
            tmp_path, HANDLER, settings=SETTINGS, environ={"SSL_CERT_FILE": str(trusted)}
        ) as server,
    ):
        warm_up(server, good, urls["is well, in TLS"])
        urls["accepts nobody"] = f"http://127.0.0.1:{port}/hook?token=hush"
        urls["redirects elsewhere"] = f"http://127.0.0.1:{redirecting.port}/hook?token=hush"
        cases = {
            **CASES,
            "accepts nobody": Case(hangs, 2, "dead", f"{UNCONNECTED}|timed out"),
            "redirects elsewhere": Case(hangs, 2, "dead", "redirects are not followed"),
        }
        with Growth(server.pid) as growth:
            ids = {name: server.submit("echo", name, webhook=url) for name, url in urls.items()}
            until("all deliveries are over", lambda: not server.unfinished(), seconds=90)
        rows = {name: log_of(server, id) for name, id in ids.items()}

        longest = max(took for _, tries in rows.values() for took, _ in tries)
        figure(
            f"row 13: {len(cases)} kinds of receivers, longest try {longest / 1000:.2f} s, "
            f"memory +{growth.bytes / 1e6:.1f} MB, connections to where redirects lead {elsewhere.connections}"
        )
        for name, (state, tries) in rows.items():
            figure(
                f"row 13: {name}: {len(tries)} tries, {state}, at most {max(t for t, _ in tries)} ms: {tries[-1][1]}"
            )
        for name, case in cases.items():
            state, tries = rows[name]
            assert (name, state, len(tries)) == (name, case.state, case.tries)
            assert re.search(case.words, tries[-1][1]), (name, tries)
            assert "hush" not in tries[-1][1]
        assert longest <= 1000 * (TIMEOUT + MARGIN)
        assert elsewhere.connections == 0
        assert len(redirecting.requests) == 2
        assert growth.bytes < GROWTH


def warm_up(server: WatchedServer, good: Receiver, tls: str) -> None:
    """Have all there is to load loaded, and as many threads begun as will run at once."""
    for _ in range(30):
        server.submit("echo", 0, webhook=good.url)
    server.submit("echo", 0, webhook=tls)
    until("the first webhooks are over", lambda: not server.unfinished(), seconds=30)


def log_of(server: WatchedServer, job: str) -> tuple[str, list[tuple[int, str]]]:
    """The state of a job's webhook; of each try how many milliseconds it took, and its words."""
    states = ["pending", "sending", "held", "delivered", "dead", "cancelled"]
    [(seq, state)] = server.query("SELECT seq, state FROM delivery WHERE job_id = ?", job)
    tries = server.query("SELECT took, detail FROM tried WHERE delivery = ? ORDER BY number", seq)
    return states[state], tries


@pytest.mark.parametrize("hanging", [50])
def test_receivers_that_hang_keep_neither_another_nor_jobs_waiting(
    tmp_path: Path, hanging: int, figure: Callable[[str], None]
) -> None:
    """The deadline of a try is far away meanwhile. What it costs in throughput is measured by `benchmarks/webhooks.py`."""
    # Receivers go before the server does, or it would wait for them.
    with Receiver() as good, WatchedServer(tmp_path, HANDLER) as server, ExitStack() as stack:
        server.submit("echo", 0, webhook=good.url)
        good.wait(1)
        slow = [stack.enter_context(receiver(hangs)) for _ in range(hanging)]
        for bad in slow:
            for _ in range(3):
                server.submit("echo", 1, webhook=f"http://127.0.0.1:{bad.port}/")
        until("they hang", lambda: sum(bool(bad.connections) for bad in slow) >= 40, seconds=10)
        ids = [server.submit("echo", 2, webhook=good.url) for _ in range(100)]
        arrived = {received.json["id"] for received in good.wait(101, seconds=10)}

        assert set(ids) <= arrived
        busy = threading.active_count()
        figure(
            f"row 13: {hanging} receivers hang with 3 webhooks each: 100 others arrived ({busy} threads here)"
        )
