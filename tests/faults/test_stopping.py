"""Row 17: whatever a handler does, its job is stopped within the grace and a second, and nothing is left of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faulting import gone
from stopping import GRACE, HANDLER, PLAIN, SETTINGS, TIMED, Stopping
from waiting import alive, until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stopping]:
    with Stopping(tmp_path_factory.mktemp("stopping"), HANDLER, settings=SETTINGS) as server:
        assert server.run("one", "quick")["output"] == "quick"
        server.rest()
        yield server
        server.stop()
        assert not server.processes()


@pytest.mark.parametrize("how", PLAIN)
def test_a_cancelled_handler_is_stopped_whatever_it_does(
    server: Stopping, how: str, figure: Callable[[str], None]
) -> None:
    id, start = server.begin("one", how)

    stopped, ended = server.cancel("one", id, start)

    figure(f"row 17: /cancel, {how}: stopped after {stopped:.3f} s, process gone after {ended:.3f} s")
    assert ended <= GRACE + 1
    assert server.run("one", "quick")["output"] == "quick"
    server.nothing_left(id)


@pytest.mark.parametrize("how", ["cancels", "sleep"])
def test_an_async_handler_that_ignores_its_cancellation_is_stopped(server: Stopping, how: str) -> None:
    id, start = server.begin("loop", how)

    _, ended = server.cancel("loop", id, start)

    assert ended <= GRACE + 1
    assert server.run("loop", "quick")["output"] == "quick"
    server.nothing_left(id)


def test_neighbours_of_a_stopped_handler_go_back_to_the_queue_and_complete(server: Stopping) -> None:
    neighbours = [server.begin("slots", "neighbour")[0] for _ in range(2)]
    id, start = server.begin("slots", "daemons")

    _, ended = server.cancel("slots", id, start)
    (server.folder / "gate").touch()

    assert ended <= GRACE + 1
    assert [server.wait("slots", each)["output"] for each in neighbours] == ["done", "done"]
    assert [len(server.said("start", each)) for each in neighbours] == [2, 2]
    server.nothing_left(id)


@pytest.mark.parametrize(
    ("how", "end"), [("exit", "FAILED"), ("segfault", "FAILED"), ("refresh", "COMPLETED")]
)
def test_what_a_worker_leaves_behind_goes_with_it(server: Stopping, how: str, end: str) -> None:
    id = server.submit("leaves", how)

    assert server.wait("leaves", id)["status"] == end
    gone([effect.pid for effect in server.said("start", id)])
    assert len(server.said("child", id)) == 3
    server.nothing_left(id)


def test_jobs_whose_time_is_over_are_stopped_whatever_they_do(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    """All of them at once, each in a worker of its own: some compute, so that a machine with few processors is late."""
    with Stopping(
        tmp_path, HANDLER, settings=SETTINGS, arguments=["--workers", f"one={len(TIMED)}"]
    ) as server:
        server.workers = len(TIMED) + 3
        server.rest()
        for name, limit in (("executionTimeout", 5), ("ttl", 10)):
            begun = [server.begin("one", how, policy={name: 1000 * limit}) for how in TIMED]
            late = {how: -start.at - limit for how, (_, start) in zip(TIMED, begun, strict=True)}
            waiting = {start.pid: how for how, (_, start) in zip(TIMED, begun, strict=True)}

            def watch(waiting: dict[int, str] = waiting, late: dict[str, float] = late) -> bool:
                for pid in [pid for pid in waiting if not alive(pid)]:
                    late[waiting.pop(pid)] += time.monotonic()
                return not waiting

            until("all are stopped", watch, limit + GRACE + 5)
            ids = [id for id, _ in begun]
            figure(
                f"row 17: {name}: {len(ids)} handlers' processes gone at most {max(late.values()):.2f} s after it"
            )
            assert {server.wait("one", id)["status"] for id in ids} == {"TIMED_OUT"}
            assert max(late.values()) <= GRACE + 3, late
            assert server.run("one", "quick")["output"] == "quick"
            server.nothing_left(*ids)
    assert not server.processes()


def test_by_default_a_handler_has_five_seconds(tmp_path: Path, figure: Callable[[str], None]) -> None:
    with Stopping(tmp_path, HANDLER, settings='[workers]\nprewarm = "off"\n') as server:
        server.rest()
        id, start = server.begin("one", "c_loop")

        _, ended = server.cancel("one", id, start)

        figure(f"row 17: /cancel, c_loop with the default grace: gone after {ended:.2f} s")
        assert 5 <= ended <= 6
        assert server.run("one", "quick")["output"] == "quick"
        server.nothing_left(id)
