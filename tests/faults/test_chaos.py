"""1,000 jobs while the host is killed five times and workers are killed at random: what was lost?"""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import urllib3

from waiting import until
from workerkit.testing import Receiver, Server

JOBS, HOST_KILLS, CLIENTS = 1000, 5, 8
HANDLER = Path(__file__).with_name("chaos_handler.py").read_text()
SETTINGS = "[plugin.webhook]\nretry_delay = 0.2\n"


class WorkerKiller(threading.Thread):
    """Kills whichever worker last said that it started a job, about five times a second."""

    def __init__(self, effects: Path, seed: int) -> None:
        super().__init__(daemon=True)
        self.kills = 0
        self._effects = effects
        self._random = random.Random(seed)
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._random.uniform(0.1, 0.3)):
            lines = self._effects.read_text().splitlines() if self._effects.exists() else []
            if lines and lines[-1].startswith("start "):
                try:
                    os.kill(int(lines[-1].split()[3]), signal.SIGKILL)
                    self.kills += 1
                except ProcessLookupError:
                    continue

    def stop(self) -> None:
        self._over.set()
        self.join()


def submit(server: Server, number: int, webhook: str) -> str:
    """Submit until it is acknowledged; the key makes a repetition harmless."""
    key = str(uuid.uuid4())
    body = {"input": {"number": number, "seconds": 0.004}, "webhook": webhook}

    def once() -> str | None:
        try:
            status, answer = server.post("/v2/step/run", body, Idempotency_Key=key)
        except (urllib3.exceptions.HTTPError, json.JSONDecodeError, OSError):
            return None  # the host is away: not acknowledged
        return str(answer["id"]) if status == 200 else None

    return until("the submit is acknowledged", once, seconds=60)


def finished(server: Server) -> int:
    try:
        jobs = server.get("/v2/step/health")[1]["jobs"]
    except (urllib3.exceptions.HTTPError, OSError):
        return 0
    return int(jobs["completed"] + jobs["failed"])


def listed(server: Server) -> Iterator[dict[str, object]]:
    page = server.get("/jobs?limit=500")[1]
    while page["jobs"]:
        yield from page["jobs"]
        page = server.get(f"/jobs?after={page['after']}&limit=500")[1]


def test_nothing_is_lost_and_no_job_ends_twice(tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    with (
        Receiver() as receiver,
        Server(tmp_path, HANDLER, arguments=["--workers", "2"], settings=SETTINGS) as server,
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        killer = WorkerKiller(tmp_path / "effects.log", seed)
        killer.start()
        submitting = [
            clients.submit(submit, server, number, f"{receiver.url}/{number}") for number in range(JOBS)
        ]
        for kill in range(1, HOST_KILLS + 1):
            goal = kill * JOBS // (HOST_KILLS + 2)
            until(f"{goal} jobs have ended", lambda goal=goal: finished(server) >= goal, seconds=120)
            server.kill()
            server.start()
        ids = [future.result(timeout=120) for future in submitting]
        until("all jobs have ended", lambda: finished(server) >= JOBS, seconds=120)
        killer.stop()

        states = {str(row["id"]): str(row["status"]) for row in listed(server)}
        counts = Counter(states.values())
        webhooks = Counter(
            (json.loads(received.body)["id"], received.headers["webhook-id"])
            for received in receiver.requests
        )
        print(f"{JOBS} jobs, {HOST_KILLS} host kills, {killer.kills} worker kills: {dict(counts)}")
        assert len(set(ids)) == JOBS
        assert set(ids) == set(states), "an acknowledged job is missing, or one exists twice"
        assert set(counts) <= {"COMPLETED", "FAILED"}
        assert finished(server) == JOBS, "a job ended twice"
        assert killer.kills >= 10, "the test killed too few workers to mean anything"
        ends = Counter(job for job, _ in webhooks)
        assert max(ends.values()) == 1, "a job sent webhooks for two ends"
        until("no delivery is left", lambda: not pending(server))


def pending(server: Server) -> bool:
    answers = (server.get(f"/deliveries?state={state}")[1]["deliveries"] for state in ("pending", "sending"))
    return any(answers)
