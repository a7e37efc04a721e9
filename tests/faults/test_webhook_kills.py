"""Row 3: the host is killed while it sends webhooks. Each is delivered or dead, and none sent too often."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from faulting import WatchedServer
from waiting import until
from workerkit.testing import Receiver
from workerkit.testing.receiver import Received

JOBS, KILLS, ATTEMPTS = 200, 10, 2
SETTINGS = f"[plugin.webhook]\nretry_delay = 0.2\nattempts = {ATTEMPTS}\n"
HANDLER = """
from workerkit import worker_function


@worker_function
def echo(job):
    return {"number": job["input"]}
"""


def test_ten_kills_of_the_host_and_no_webhook_is_lost_or_sent_too_often(
    tmp_path: Path, figure: Callable[[str], None]
) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    pause = random.Random(seed).uniform
    # Every third answer is no acknowledgement. By lot, five in a row would now and then close the receiver's lane.
    answers = itertools.cycle((200, 500, 200))

    def answer(received: Received) -> int:
        return next(answers)

    with (
        Receiver(answer) as receiver,
        WatchedServer(tmp_path, HANDLER, settings=SETTINGS) as server,
    ):
        ids: list[str] = []
        for _ in range(KILLS):
            ids += [server.submit("echo", n, webhook=f"{receiver.url}/{n}") for n in range(JOBS // KILLS)]
            receiver.wait(int(len(ids) * pause(0.3, 0.8)), seconds=30)
            server.kill()
            server.start()
        until("all webhooks are over", lambda: not server.unfinished(), seconds=60)

        rows = dict(server.query("SELECT job_id, state FROM delivery"))
        tries = Counter(received.headers["webhook-id"] for received in receiver.requests)
        bodies = {(received.headers["webhook-id"], received.body) for received in receiver.requests}
        jobs = {received.json["id"]: received for received in receiver.requests}
        delivered, dead = (sum(state == code for state in rows.values()) for code in (3, 4))
        lost = server.query("SELECT count(*) FROM tried WHERE outcome = 'lost'")[0][0]
        figure(
            f"row 3: {len(ids)} webhooks, {KILLS} hosts killed while they were sent: delivered {delivered}, dead "
            f"{dead}, never on the wire {len(set(ids) - set(jobs))}, tries of one at most {max(tries.values())}, "
            f"tries whose answer died with the host {lost}"
        )
        assert len(rows) == len(ids) == JOBS
        assert delivered + dead == JOBS
        assert max(tries.values()) <= ATTEMPTS
        assert len(bodies) == len(tries) == len(jobs)
        # A try is counted before it is made, so a kill in between may use one up, but hardly all of them.
        assert {id for id, state in rows.items() if state == 3} <= set(jobs)
        for id, received in jobs.items():
            assert received.body == server.http.request("GET", f"{server.url}/v2/echo/status/{id}").data
    assert not server.processes()
