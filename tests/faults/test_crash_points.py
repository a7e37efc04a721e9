"""Row 4: the host, or a worker, is killed at each step of a job's path. Afterwards all is as promised."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

from faulting import NOTES, WatchedServer, overlaps, submit
from waiting import until

PLUGIN = Path(__file__).with_name("crash_plugin.py").read_text()
LEASE = 3
#: Seconds in which all must be over. How long the processes of a host take to start is up to the machine; that is
#: not among them.
BACK_WITHIN = LEASE + 2
SETTINGS = f"""
[queue]
url = "crashing://.workerkit/queue.db"
lease = {LEASE}
[plugins]
load = ["crash_plugin:CrashPoints"]
"""
HANDLER = (
    NOTES
    + """
@worker_function(max_starts=9)
def step(job):
    note("start", job)
    how = job["input"]
    if how == "slow" and job.attempt == 1:
        time.sleep(1.2)
    if how == "dies" and job.attempt == 1:
        note("killed", job)
        os._exit(1)
    if how == "fails" and os.path.exists("failing"):
        note("done", job)
        raise ValueError("as it should")
    if how == "progress":
        job.progress(1)
        time.sleep(0.2)
    if how == "prints":
        print("a line")
    note("done", job)
    return {"refresh_worker": how == "refresh"}

@worker_function(max_starts=9)
def stream(job):
    note("start", job)
    for n in range(3):
        yield n
    note("done", job)
"""
)


def both(*operations: str) -> list[str]:
    return [f"{moment} {name}" for name in operations for moment in ("before", "after")]


def either(*hooks: str) -> list[str]:
    return [f"{who} {name}" for name in hooks for who in ("worker", "host at")]


#: What must happen so that a step is reached.
STEPS = {
    "plain": [
        "accept",
        "post_job",
        "before claim",
        "after claim, while it is committed",
        "after claim, once it is committed",
        *both("submit", "finish", "claim_deliveries", "deliver", "settle_deliveries"),
        *either("pre_job", "run_job", "the handler's return", "on_output"),
    ],
    "slow": both("heartbeat"),
    "prints": both("keep_log"),
    "progress": both("progress"),
    "stream": both("chunk", "chunks", "take_chunks"),
    "dies": both("release"),
    "fails": both("retry"),
    "refresh": either("worker_start", "worker_stop"),
    "sync": ["after sweep"],
    "start": both("recover", "register", "hold_deliveries"),
    "stop": both("close"),
}
LABELS = [(how, step) for how, steps in STEPS.items() for step in steps]


class Journey:
    """One server that lives through all of it, and what it has acknowledged so far."""

    def __init__(self, server: WatchedServer) -> None:
        self.server = server
        self.ids: list[str] = []
        #: Results that are deleted after a second.
        self.synced = 0
        #: Seconds from a kill until all jobs had ended, by step.
        self.times: dict[str, float] = {}

    def prepare(self, how: str) -> None:
        """What comes before the step is armed."""
        if how == "fails":
            self.file("failing").touch()
            self.server.run("step", how)
            self.file("failing").unlink()
            [[id]] = self.server.query("SELECT id FROM job ORDER BY seq DESC LIMIT 1")
            self.ids.append(str(id))
        if how == "sync":
            assert self.server.post("/v2/step/runsync", {"input": how})[1]["status"] == "COMPLETED"
            self.synced += 1
        if how == "start":
            self.submit("slow")
            self.server.kill()

    def arm(self, step: str) -> None:
        """Have whoever comes to this step next be killed."""
        whole = self.file("armed")
        whole.write_text(step)
        whole.rename(self.file("crash-at"))

    def act(self, how: str) -> None:
        """Do what leads to the step."""
        match how:
            case "fails":
                self.ask("POST", f"/v2/step/retry/{self.ids[-1]}")
            case "stream":
                id = self.submit(how, endpoint="stream")
                self.ask("GET", f"/v2/stream/stream/{id}?wait=2000")
            case "start":
                with pytest.raises((AssertionError, urllib3.exceptions.HTTPError)):
                    self.server.start()  # it may be answering already
            case "stop":
                self.submit("slow")
                os.kill(self.server.pid, signal.SIGTERM)
            case "sync":
                pass  # the sweep comes by itself
            case _:
                self.submit(how)

    def submit(self, how: str, endpoint: str = "step") -> str | None:
        id = submit(self.server, endpoint, how)
        if id is not None:
            self.ids.append(id)
        return id

    def ask(self, method: str, path: str) -> None:
        """Ask a server that may die before it answers."""
        try:
            self.server.http.request(method, self.server.url + path)
        except (urllib3.exceptions.HTTPError, OSError):
            print(f"no answer to {path}")

    def file(self, name: str) -> Path:
        return self.server.folder / name

    def deaths(self) -> dict[int, float]:
        """When each process of a handler was dead at the latest: a killed host takes its workers along."""
        dead: dict[int, float] = {}
        seen: set[int] = set()
        for effect in self.server.effects():
            if effect.what != "killed":
                seen.add(effect.pid)
                continue
            for pid in {effect.pid} if effect.pid in seen else seen:
                dead.setdefault(pid, effect.at)
        return dead


@pytest.fixture(scope="module")
def journey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    folder = tmp_path_factory.mktemp("crash-points")
    (folder / "crash_plugin.py").write_text(PLUGIN)
    with WatchedServer(folder, HANDLER, settings=SETTINGS) as server:
        yield Journey(server)
    assert not server.processes()


@pytest.mark.parametrize(("how", "step"), LABELS, ids=[step for _, step in LABELS])
def test_a_death_at_any_step_costs_nothing(journey: Journey, how: str, step: str) -> None:
    server = journey.server
    journey.prepare(how)
    journey.arm(step)
    journey.act(how)
    until("the step is reached", lambda: not journey.file("crash-at").exists(), seconds=30)
    reached = time.monotonic()
    if not step.startswith("worker "):
        assert server.process is not None
        assert server.process.wait(10) == -signal.SIGKILL
        server.start()
    starting = time.monotonic() - reached
    if step == "before retry":
        journey.act(how)  # it was not acknowledged, and has not happened
    until("all is over", lambda: not server.unfinished(), seconds=30)

    [*_, killed] = [effect.at for effect in server.effects() if effect.what == "killed"]
    journey.times[step] = time.monotonic() - killed
    audit = server.audit(journey.ids)
    assert (audit.lost, audit.unended) == (0, 0)
    assert audit.twice in (journey.synced - 1, journey.synced) if journey.synced else audit.twice == 0
    assert set(audit.counts) <= {"COMPLETED"}
    runs = [effect for effect in server.effects() if effect.what != "killed"]
    assert not overlaps(runs, journey.deaths())
    assert journey.times[step] - starting <= BACK_WITHIN


def test_each_end_was_delivered_and_none_more_often_than_allowed(
    journey: Journey, figure: Callable[[str], None]
) -> None:
    tries = [line.split() for line in journey.file("sent.log").read_text().splitlines()]
    by_delivery = Counter(delivery for _, delivery, _ in tries)
    by_job = Counter(job for job, _ in {(job, delivery) for job, delivery, _ in tries})
    [[retried]] = journey.server.query("SELECT sum(retried) FROM counter")
    slowest = max(journey.times, key=journey.times.__getitem__)
    undelivered = set(journey.ids) - set(by_job)
    figure(
        f"row 4: {len(LABELS)} crash points, {len(journey.ids)} jobs: lost 0, ended twice 0, ends not "
        f"delivered {len(undelivered)}, tries of one at most {max(by_delivery.values())}; all over after "
        f"at most {journey.times[slowest]:.1f} s ({slowest})"
    )

    assert not undelivered
    assert max(by_delivery.values()) <= 2
    assert sum(count - 1 for count in by_job.values()) <= retried, "a job delivered two ends"
    states = journey.server.query("SELECT DISTINCT state FROM delivery WHERE state NOT IN (3, 5)")
    assert not states, "a delivery is dead or held"
