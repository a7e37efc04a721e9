"""`kill -9` of the host in the middle of a delivery, and what a restarted one makes of it."""

from __future__ import annotations

import subprocess
from typing import Any

from workerkit.testing.promises.dying import AFTER, BEFORE, MODULE
from workerkit.testing.promises.subject import Subject, broken
from workerkit.testing.server import Server
from workerkit.testing.waiting import until

__all__ = ["AFTER", "BEFORE", "check", "over"]

#: Seconds until the host is killed, and until a delivery is over.
PATIENCE = 60.0
OVER = ("delivered", "dead", "held", "cancelled")


def check(subject: Subject, moment: str) -> None:
    """Kill the host while the plugin delivers, start it again, and look how the delivery ends."""
    input = subject.acts_on
    server = subject.server(instead="dying:plugin")
    (server.folder / "dying.py").write_text(
        MODULE.format(ref=subject.candidate.ref, name=subject.name, moment=moment, folder=str(server.folder))
    )
    with server:
        id = server.submit(subject.function.name, input, **subject.fields)
        _killed(server)
        server.start()
        rows = over(server, id, subject.name)
    if not rows:
        broken("its delivery is gone after kill -9 of the host")
    acts = server.folder / "acts"
    numbers = [line.split() for line in acts.read_text().splitlines()] if acts.exists() else []
    for row in rows:
        _check_row(row, sum(delivery == row["id"] for delivery, _ in numbers), moment)


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
    if acts > row["limit"]:
        broken(f"{when}, a delivery was tried {acts} times, and {row['limit']} are allowed")
    if row["attempts"] > 1 or row["limit"] > 1:
        if row["state"] != "delivered":
            broken(f"{when}, a delivery with tries left is {row['state']}: {row['detail']}")
    elif row["state"] not in ("dead", "delivered") or not row["detail"]:
        broken(f"{when}, a delivery without another try is {row['state']}, with no reason")
