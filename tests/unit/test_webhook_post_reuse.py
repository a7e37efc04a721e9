from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import NotConnected

import pytest

from receivers import OK, Talk, at, failure, poster, receiver, says
from waiting import until
from workerkit.guard import parse
from workerkit_plugins.webhook.connection import Connection, Connector
from workerkit_plugins.webhook.deadline import Deadline
from workerkit_plugins.webhook.failed import Try
from workerkit_plugins.webhook.idle import MOST, MOST_ALIKE, Idle
from workerkit_plugins.webhook.post import Poster


def url(port: int, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{port}/hook"


def connect(port: int, host: str = "127.0.0.1") -> Connection:
    target, deadline = parse(url(port, host)), Deadline(5)
    return Connector("").open(Try(target, deadline), at()(target, 5), deadline, 5)


def test_posts_to_one_place_share_a_connection() -> None:
    with receiver(says(OK)) as server, poster() as posts:
        for number in range(20):
            assert posts.post(parse(url(server.port)), b"%d" % number, {}).status == 200
    assert server.connections == 1
    assert [request[-2:].strip() for request in server.requests] == [b"%d" % n for n in range(20)]


def test_posts_at_a_time_have_connections_of_their_own_of_which_eight_are_kept() -> None:
    together = threading.Barrier(12)

    def waits(talk: Talk) -> None:
        while talk.read():
            together.wait(10)
            talk.sock.sendall(OK)

    with receiver(waits) as server, poster() as posts, ThreadPoolExecutor(12) as pool:
        target = parse(url(server.port))
        for _ in range(2):
            assert all(r.status == 200 for r in pool.map(lambda _: posts.post(target, b"", {}), range(12)))
    assert server.connections == 12 + (12 - MOST_ALIKE)


def test_another_host_name_or_address_has_a_connection_of_its_own() -> None:
    with receiver(says(OK)) as server, receiver(says(OK)) as other:
        with poster(server.port) as posts:
            for host in ("one.test", "two.test", "one.test"):
                posts.post(parse(url(80, host)), b"", {})
        now_at = [server.port]
        posts = Poster(lambda url, timeout: at(*now_at)(url, timeout), 5, 5)
        for port in (server.port, other.port):
            now_at[:] = [port]
            posts.post(parse(url(80)), b"", {})
        posts.close()
    assert (server.connections, other.connections) == (3, 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000,
        OK + b"HTTP/1.1 500 Nobody asked\r\n\r\n",
        OK + b"HTTP/1.1 500 Nobody asked\r\n\r\n" * 1000,
        b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 None\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nA: 1\r\n folded\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=[
        "close",
        "1.0",
        "switching",
        "large",
        "one more",
        "many more",
        "unreadable",
        "204 with a body",
        "upgrade",
        "folded",
    ],
)
def test_a_connection_that_may_not_be_at_an_end_is_not_used_again(answer: bytes) -> None:
    with receiver(says(answer)) as server, poster() as posts:
        first, second = (posts.post(parse(url(server.port)), b"", {}) for _ in range(2))
    assert first.status == second.status < 500
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\nok",
        b"HTTP/1.1 204 None\r\n\r\n",
        b"HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2 \r\nok\r\n0\r\nTrailer: 1\r\n\r\n",
        b"HTTP/1.0 100 Go\r\nConnection: close\r\n\r\n" + OK,
    ],
    ids=["1.0", "204", "304", "no carriage returns", "chunked", "behind an interim one"],
)
def test_a_connection_whose_answer_was_read_to_its_end_is_used_again(answer: bytes) -> None:
    with receiver(says(answer)) as server, poster() as posts:
        first, second = (posts.post(parse(url(server.port)), b"", {}) for _ in range(2))
    assert (first.status, first.answer) == (second.status, second.answer)
    assert server.connections == 1


def test_a_connection_that_its_peer_closed_while_it_was_idle_is_replaced_before_anything_is_sent() -> None:
    closed = threading.Event()

    def closes(talk: Talk) -> None:
        talk.read()
        talk.sock.sendall(OK)
        talk.sock.shutdown(socket.SHUT_RDWR)
        closed.set()

    with receiver(closes) as server, poster() as posts:
        for _ in range(3):
            closed.clear()
            assert posts.post(parse(url(server.port)), b"x", {}).status == 200
            assert closed.wait(5)
    assert (server.connections, len(server.requests)) == (3, 3)


@pytest.mark.parametrize("last", [b"", b"HTTP/1.1 200 OK\r\nX: "])
def test_a_request_that_a_reused_connection_took_is_never_sent_again(last: bytes) -> None:
    def closes_on_the_second(talk: Talk) -> None:
        talk.read()
        talk.sock.sendall(OK)
        talk.read()
        talk.sock.sendall(last)

    with receiver(closes_on_the_second) as server, poster() as posts:
        posts.post(parse(url(server.port)), b"1", {})
        error = failure(posts, url(server.port), b"2")
        assert (error.kind, error.address) == ("reset", f"127.0.0.1:{server.port}")
        assert len(server.requests) == 2
        posts.post(parse(url(server.port)), b"3", {})
    assert server.connections == 2


def test_each_post_on_a_connection_has_a_deadline_of_its_own() -> None:
    answers = iter([OK, b"HTTP/1.1 200 OK\r\n"])

    def stalls_on_the_second(talk: Talk) -> None:
        while talk.read():
            talk.sock.sendall(next(answers))

    with receiver(stalls_on_the_second) as server, poster(timeout=0.4) as posts:
        posts.post(parse(url(server.port)), b"", {})
        assert failure(posts, url(server.port)).ms >= 400
    assert server.connections == 1


def test_the_deadline_of_the_connection_is_not_that_of_the_answer() -> None:
    def slow(talk: Talk) -> None:
        while talk.read():
            threading.Event().wait(0.3)
            talk.sock.sendall(OK)

    with receiver(slow) as server, poster(connect_timeout=0.2) as posts:
        assert [posts.post(parse(url(server.port)), b"", {}).status for _ in range(2)] == [200, 200]
    assert server.connections == 1


def test_a_closed_connection_does_not_connect_by_itself() -> None:
    with receiver(says(OK)) as server:
        connection = connect(server.port)
        connection.close()
        with pytest.raises(NotConnected):
            connection.request("POST", "/")
    assert server.requests == []


def test_a_closed_poster_keeps_no_connection_and_leaves_no_thread() -> None:
    with receiver(says(OK)) as server:
        with poster() as posts:
            posts.post(parse(url(server.port)), b"", {})
        for _ in range(2):
            posts.post(parse(url(server.port)), b"", {})
        assert server.connections == 3
    until(
        "no thread is left",
        lambda: not [t for t in threading.enumerate() if t.name == "workerkit-webhook-idle"],
    )


def test_connections_are_closed_when_they_were_idle_for_long() -> None:
    ended = threading.Event()

    def tells(talk: Talk) -> None:
        talk.read()
        ended.set()

    idle = Idle(longest=0.05)
    with receiver(tells) as server:
        first = connect(server.port)
        idle.keep(first)
        assert ended.wait(5)
        assert first.is_closed
        second = connect(server.port)
        idle.keep(second)  # the sweeper has ended in between
        until("it is closed", lambda: second.is_closed)
        idle.close()


def test_what_is_kept_is_bounded_alike_and_in_all_and_the_longest_idle_goes_first() -> None:
    with receiver(says(OK)) as server:
        idle = Idle()
        alike = [connect(server.port) for _ in range(MOST_ALIKE + 1)]
        others = [connect(server.port, f"host{number}") for number in range(MOST)]
        for connection in alike:
            idle.keep(connection)
        assert [each.is_closed for each in alike] == [True] + [False] * MOST_ALIKE
        for connection in others:
            idle.keep(connection)
        assert all(each.is_closed for each in alike)
        assert not any(each.is_closed for each in others)
        assert idle.take(others[0].key) is others[0]
        idle.keep(others[0])
        assert idle.take(alike[0].key) is None
        idle.close()
        assert all(each.is_closed for each in others)


def test_the_connection_that_was_used_last_is_taken_first_and_only_if_it_is_silent() -> None:
    talks: list[Talk] = []

    def listens(talk: Talk) -> None:
        talks.append(talk)
        talk.read()

    with receiver(listens) as server:
        idle = Idle()
        one, two = connect(server.port), connect(server.port)
        until("both are accepted", lambda: len(talks) == 2)
        idle.keep(one)
        idle.keep(two)
        assert idle.take(one.key) is two
        idle.keep(two)
        for talk in talks:
            talk.sock.sendall(b"HTTP/1.1 408 Too slow\r\n\r\n")
        assert idle.take(one.key) is None
        assert one.is_closed
        assert two.is_closed
        idle.close()
