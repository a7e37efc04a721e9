"""`kill -9` of the host in the middle of a delivery, and what a restarted one makes of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import Any

from workerkit.testing.promises.dying import ACTS, MODULE
from workerkit.testing.promises.subject import Subject, broken
from workerkit.testing.server import Server
from workerkit.testing.waiting import until

#: Seconds until the host is killed, and until a delivery is over.
PATIENCE = 60.0
#: Seconds for what the host had sent when it was killed; nothing more can come.
ON_THE_WAY = 2.0
OVER = ("delivered", "dead", "held", "cancelled")

#: How many effects have arrived so far; None when nobody can tell.
Effects = Callable[[], int] | None


def check(subject: Subject, moment: str, effects: Effects = None) -> None:
    """Kill the host while the plugin delivers, start it again, and look how the delivery ends.

    Then it is killed once more, at once when the delivery is over: what was delivered must be there.
    """
    input = subject.acts_on
    there = _Arrived(effects)
    server = subject.server(instead="dying:plugin")
    (server.folder / "dying.py").write_text(
        MODULE.format(ref=subject.candidate.ref, name=subject.name, moment=moment, folder=str(server.folder))
    )
    with server:
        id = server.submit(subject.function.name, input, **subject.fields)
        _killed(server)
        there.must_be(sum(verdict == "delivered" for _, verdict in _acts(server)))
        server.start()
        rows = over(server, id, subject.name)
        server.kill()
        there.must_be(sum(row["state"] == "delivered" for row in rows))
    if not rows:
        broken("its delivery is gone after kill -9 of the host")
    for row in rows:
        _check_row(row, sum(delivery == row["id"] for delivery, _ in _acts(server)), moment)


class _Arrived:
    """What has arrived since now."""

    def __init__(self, effects: Effects) -> None:
        self._effects = effects
        self._before = effects() if effects else 0

    def must_be(self, delivered: int) -> None:
        """Fail the test when fewer effects have arrived than deliveries were said to be delivered."""
        if self._effects is None:
            return
        count = self._effects
        try:
            until("the effects", lambda: count() - self._before >= delivered, ON_THE_WAY)
        except AssertionError:
            broken(
                f"{count() - self._before} of {delivered} effects had arrived when the host was killed, and its "
                "deliver had answered that it delivered; let it return when the work is done"
            )


def _acts(server: Server) -> list[list[str]]:
    """Id and verdict of each time that the plugin's deliver came to its end."""
    file = server.folder / ACTS
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


def over(server: Server, id: str, plugin: str) -> list[dict[str, Any]]:
    """The deliveries of a job that a plugin asked for, once each is over, as /deliveries shows them."""

    def rows() -> list[dict[str, Any]]:
        found = server.get(f"/deliveries?job={id}")[1]["deliveries"]
        return [row for row in found if row["plugin"] == plugin]

    until(
        f"the deliveries of job {id} are over", lambda: all(row["state"] in OVER for row in rows()), PATIENCE
    )
    return rows()


def _killed(server: Server) -> None:
    assert server.process is not None
    try:
        server.process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        broken("its deliver was not called in a served toolkit, though its post_job asked for a delivery")


def _check_row(row: dict[str, Any], acts: int, moment: str) -> None:
    when = f"killed {moment} it acted"
    if acts > row["attempts"]:
        broken(f"{when}, a delivery was tried {acts} times, and {row['attempts']} are allowed")
    if row["number"] > 1 or row["attempts"] > 1:
        if row["state"] != "delivered":
            broken(f"{when}, a delivery with tries left is {row['state']}: {row['detail']}")
    elif row["state"] not in ("dead", "delivered") or not row["detail"]:
        broken(f"{when}, a delivery without another try is {row['state']}, with no reason")
