"""Row 20: handlers let the secrets of their requests out in all ways. They come out nowhere, however a job ends.

The server of objects is rclone, which takes any session token.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from canaries import Search, forms, odd_secret, refused, token, told
from faulting import WatchedServer, gone, proc_file
from receivers import Talk, receiver
from s3_servers import rclone
from waiting import until
from workerkit.testing import Receiver
from workerkit.testing.receiver import Received

TESTS = Path(__file__).parents[1]
HANDLER = Path(__file__).with_name("canary_handler.py").read_text()
SETTINGS = """
[plugins]
load = ["canaries:Loud"]
[guard]
loopback = true
[workers]
count = "leak=2,stream=1,alone=1"
stop_grace = 1
shutdown_grace = 1
[plugin.webhook]
events = ["start", "output", "completed"]
retry_delay = 0.1
"""
#: How jobs of `leak` end by themselves.
ENDS = {
    "returns": "COMPLETED",
    "uses": "COMPLETED",
    "refreshes": "COMPLETED",
    "killed in an upload": "COMPLETED",
    "raises": "FAILED",
    "fails": "FAILED",
    "error key": "FAILED",
    "exits": "FAILED",
}
#: What a garbage endpoint says before it repeats the token of the request.
PADDING = b"x" * 78


class Stage:
    """A server in its folder, and all that went through it; two searches look at the same."""

    def __init__(self, server: WatchedServer, webhooks: Receiver, config: Mapping[str, str]) -> None:
        self.server = server
        self.webhooks = webhooks
        self.config = {**config, "sessionToken": token()}
        self.odd = {**config, "accessSecret": odd_secret()}
        self.witness = odd_secret()
        hidden = [self.config["accessSecret"], self.config["sessionToken"], self.odd["accessSecret"]]
        self.hidden, self.shown = Search(hidden), Search([self.witness])
        #: Endpoint and id of each job, by how it ends.
        self.jobs: dict[str, tuple[str, str]] = {}
        self.statuses: dict[str, str] = {}

    def submit(self, endpoint: str, how: str, name: str = "", /, config: Any = None, **more: Any) -> str:
        """The job's id; it is known by `name`, or by what its handler does."""
        input = {"how": how, "witness": self.witness}
        more = {"webhook": f"{self.webhooks.url}/{endpoint}", "s3Config": config or self.config, **more}
        id = self.server.submit(endpoint, input, **more)
        self.jobs[name or how] = endpoint, id
        return id

    def begun(self, id: str, attempt: int = 1) -> None:
        """Wait until a handler has let all out, and goes on to its end."""
        until("it has begun", lambda: (self.server.folder / f"{id}.{attempt}").exists())

    def ended(self) -> dict[str, str]:
        """Statuses, once all have ended."""
        return {name: self.server.wait(*job)["status"] for name, job in self.jobs.items()}

    def look(self, place: str, data: bytes) -> None:
        self.hidden.look(place, data)
        self.shown.look(place, data)

    def look_at_files(self) -> None:
        """The queue's file and what is beside it, the log, and all temporary files."""
        self.hidden.files(self.server.folder)
        self.shown.files(self.server.folder)

    def look_at_processes(self) -> None:
        for pid in self.server.processes():
            for what in ("cmdline", "environ"):
                self.look(f"process: {what} of {pid}", proc_file(f"/proc/{pid}/{what}"))

    def look_at_answers(self) -> None:
        for name, job in self.jobs.items():
            for path, answer in told(self.server, *job):
                self.look(f"answer: {name}: {path}", answer)
        for name, job in self.jobs.items():
            if job[0] == "stream":  # its clients join what it yields
                chunks = self.server.wait(*job)["output"]
                texts = [chunk if isinstance(chunk, str) else chunk["delta"] for chunk in chunks]
                self.look(f"answer: {name}: as one text", "".join(texts).encode())
        for received in self.webhooks.requests:
            self.look(f"webhook: {received.path}", json.dumps(received.headers).encode() + received.body)

    def look_at_commands(self) -> None:
        ids = [self.jobs[name][1] for name in ("raises", "exits")]
        for command in (
            *(["jobs", "list"], ["plugins"], ["plugins", "--json"], ["deliveries", "list"]),
            *(["jobs", what, id] for what in ("show", "logs") for id in ids),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "workerkit", *command],
                cwd=self.server.folder,
                env={"PYTHONPATH": str(TESTS)},
                capture_output=True,
                timeout=60,
            )
            assert done.returncode == 0, done.stderr
            self.look(f"command: {' '.join(command)}", done.stdout + done.stderr)

    def refuse(self) -> None:
        """Send what is refused, and what is accepted but not all of it."""
        for number, body in enumerate(refused(self.config)):
            self._post("leak", f"refused {number}", body, 400)
        whole = json.dumps({"input": 1, "s3Config": self.config}).encode()
        self._post("nobody", "of no function", whole, 404)
        self._post("ignorant", "a field that nobody has", whole.replace(b"s3C", b"S3C"), 200)
        self._post("leak", "first", whole, 200, Idempotency_Key="once")
        self._post("leak", "other body", whole.replace(b"1", b"2", 1), 409, Idempotency_Key="once")

    def _post(self, endpoint: str, name: str, body: bytes, status: int, **headers: str) -> None:
        code, answer = self.server.post(f"/v2/{endpoint}/run", body, **headers)
        assert code == status, (name, answer)
        self.look(f"answer: {name}", json.dumps(answer).encode())


def echoes_token(talk: Talk) -> None:
    """An endpoint of garbage: it tells what it was sent."""
    while request := talk.read():
        sent = [line for line in request.split(b"\r\n") if line.lower().startswith(b"x-amz-security-token")]
        said = PADDING + b" ".join(sent)
        body = b"<Error><Code>Odd</Code><Message>" + said + b"</Message></Error>"
        head = b"HTTP/1.1 400 Bad\r\nContent-Type: application/xml\r\nX-Said: " + said
        talk.sock.sendall(head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def play(stage: Stage) -> None:
    """Have a job come to every kind of end."""
    server = stage.server
    running = stage.submit("alone", "hangs", "cancelled while it runs")
    queued = stage.submit("alone", "hangs", "cancelled while it waits")
    server.post(f"/v2/alone/cancel/{queued}")
    stage.submit("alone", "hangs", "never begun in time", policy={"ttl": 10_000})
    stage.submit("leak", "hangs", "runs too long", policy={"executionTimeout": 5000})
    for how in ENDS:
        stage.submit("leak", how)
    stage.submit("stream", "yields")
    stage.submit("leak", "returns", "returns what is odd", stage.odd)
    stage.submit("leak", "raises", "raises what is odd", stage.odd)
    stage.submit("stream", "yields", "yields what is odd", stage.odd)
    stage.submit("leak", "returns", "its receiver fails", webhook=f"{stage.webhooks.url}/fails")
    stage.submit("leak", "fails to upload", "a wrong secret", stage.odd)
    stage.submit("leak", "fails to upload", "a wrong bucket", {**stage.config, "bucketName": "nowhere"})
    nobody = {**stage.config, "endpointUrl": "http://127.0.0.1:9"}
    stage.submit("leak", "fails to upload", "nobody there", nobody)
    stage.refuse()
    with receiver(echoes_token) as garbage:
        config = {**stage.config, "endpointUrl": f"http://127.0.0.1:{garbage.port}"}
        server.wait("leak", stage.submit("leak", "fails to upload", "garbage", config))
    for how in ("raises", "fails", "exits"):
        server.wait(*stage.jobs[how])
        assert server.post(f"/v2/leak/retry/{stage.jobs[how][1]}")[0] == 200
    server.wait(*stage.jobs["never begun in time"])
    stage.begun(running)
    server.post(f"/v2/alone/cancel/{running}")
    stage.ended()


def kill(stage: Stage) -> None:
    """Kill the host in the middle of an upload, look at what is left, and have another go on with it."""
    stage.begun(stage.submit("leak", "host killed"))
    stage.look_at_processes()
    pids = stage.server.processes()
    stage.server.kill()
    gone(pids)
    stage.look_at_files()
    stage.server.start()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """After everything has happened, with the server stopped."""
    folder, objects = tmp_path_factory.mktemp("canary"), tmp_path_factory.mktemp("objects")
    temporary = folder / "temporary"
    temporary.mkdir()
    environ = {"PYTHONPATH": str(TESTS), "TMPDIR": str(temporary)}

    def answer(received: Received) -> int:
        return 500 if received.path == "/fails" else 200

    with (
        rclone(objects) as s3,
        Receiver(answer) as webhooks,
        WatchedServer(folder, HANDLER, settings=SETTINGS, environ=environ) as server,
    ):
        stage = Stage(server, webhooks, s3.config("photos"))
        play(stage)
        kill(stage)
        stage.statuses = stage.ended()
        stage.look_at_answers()
        stage.look_at_commands()
        server.stop()
        stage.look_at_files()
        stage.look_at_commands()
        yield stage
    assert not server.processes()


def test_jobs_came_to_every_kind_of_end(stage: Stage) -> None:
    assert stage.statuses == {
        **ENDS,
        "cancelled while it runs": "CANCELLED",
        "cancelled while it waits": "CANCELLED",
        "never begun in time": "TIMED_OUT",
        "runs too long": "TIMED_OUT",
        "yields": "COMPLETED",
        "returns what is odd": "COMPLETED",
        "raises what is odd": "FAILED",
        "yields what is odd": "COMPLETED",
        "its receiver fails": "COMPLETED",
        "a wrong secret": "FAILED",
        "a wrong bucket": "FAILED",
        "nobody there": "FAILED",
        "garbage": "FAILED",
        "host killed": "COMPLETED",
    }


def test_no_secret_came_out(stage: Stage, figure: Callable[[str], None]) -> None:
    search = stage.hidden
    kinds = Counter(place.partition(":")[0] for place in search.seen)
    figure(
        f"row 20: {len(stage.statuses)} ends of jobs, searched {search.seen.total() / 1e6:.0f} MB in {len(search.seen)} "
        f"places ({', '.join(f'{kind} {count}' for kind, count in sorted(kinds.items()))}): {len(search.finds)} finds"
    )
    assert search.finds == {}


def test_the_search_was_where_secrets_would_have_come_out(stage: Stage) -> None:
    assert stage.shown.kinds == {"answer", "webhook", "command", "file"}
    assert "answer: yields: as one text" in stage.shown.finds
    files = {place.removeprefix("file: ") for place in stage.shown.finds}
    assert {"server.log", ".workerkit/queue.db", ".workerkit/queue.db-wal"} <= files
    log = stage.server.log()
    libraries = ["botocore.auth", "urllib3.connectionpool", "smart_open.s3"]
    assert [name for name in libraries if f"DEBUG {name} " not in log] == []
    assert "x-amz-security-token:***" in log


@pytest.mark.parametrize("secret", [odd_secret(), token()], ids=["odd", "token"])
def test_a_planted_leak_is_found_whatever_its_form(tmp_path: Path, secret: str) -> None:
    for number, form in enumerate(forms(secret)):
        (tmp_path / str(number)).write_text(f"{token()}{form}{token()}")
        (tmp_path / f"half of {number}").write_text(form[: len(form) // 2])
    (tmp_path / "innocent").write_text(token())
    search = Search([secret])

    search.files(tmp_path)

    planted = {f"file: {path.name}" for path in tmp_path.iterdir()} - {"file: innocent"}
    assert set(search.finds) == planted
    assert set(search.seen) == planted | {"file: innocent", "file: names"}
