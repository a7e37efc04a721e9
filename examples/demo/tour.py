"""A tour of workerkit that ends by itself: `make demo`.

It starts a server, a webhook receiver and an S3 server on 127.0.0.1, sends real jobs, shows what
comes back, and checks it. Exit code 0 means that everything held.
"""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
from PIL import Image
from rich.console import Console
from rich.json import JSON
from rich.padding import Padding
from stage import (
    Bucket,
    Client,
    Failed,
    Receiver,
    active_plugins,
    receiving,
    serving,
    stop,
    storing,
    wait_for,
)

LONGEST = 60
BUILT_IN = "workerkit_plugins.webhook:Webhook"
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
console = Console(highlight=False)


@attrs.define
class Stage:
    """What the steps work with, and how many checks have held. `plugins` are the active ones by name."""

    folder: Path
    client: Client
    server: subprocess.Popen[bytes]
    receiver: Receiver
    bucket: Bucket
    plugins: dict[str, dict[str, Any]]
    steps: int = 0
    checks: int = 0

    def step(self, title: str) -> None:
        """Head a step."""
        self.steps += 1
        console.print()
        console.rule(f"[bold]{self.steps}. {title}", align="left", style="dim")

    def check(self, holds: bool, sentence: str) -> None:
        """Show what held, or end the tour."""
        if not holds:
            raise Failed(f"this did not hold: {sentence}")
        self.checks += 1
        console.print(f"  [green]✓[/] {sentence}")


def show(what: str, body: bytes | dict[str, Any]) -> None:
    """A body as it came, made readable."""
    text = body.decode() if isinstance(body, bytes) else json.dumps(body)
    console.print(f"  [cyan]{what}[/]")
    console.print(Padding(JSON(text, indent=2), (0, 0, 0, 4)))


def submit(stage: Stage) -> str:
    """`/run` answers at once; the job is stored."""
    stage.step("Submit a job with a webhook and the caller's own bucket")
    answer = stage.client.submit(
        "thumbnail",
        {"width": 320, "passes": 4},
        webhook=f"{stage.receiver.base}/done",
        s3Config=stage.bucket.config,
    )
    show("POST /v2/thumbnail/run answered", answer)
    stage.check(
        answer["status"] == "IN_QUEUE" and answer["id"].endswith("-u1"), "stored, and an id to ask with"
    )
    return str(answer["id"])


def follow(stage: Stage, id: str) -> bytes:
    """Progress while it runs, the status object at its end."""
    stage.step("Follow it")
    seen: list[Any] = []

    def ended() -> bytes | None:
        body = stage.client.call("GET", f"/v2/thumbnail/status/{id}").data
        status = json.loads(body)
        if status["status"] in ENDED:
            return body
        if "output" in status and status["output"] not in seen:
            seen.append(status["output"])
            console.print(f"  progress  {status['output']['percent']:3} %  {status['output']['step']}")
        return None

    body: bytes = wait_for("the end of the job", ended, 30)
    show(f"GET /v2/thumbnail/status/{id} answered", body)
    stage.check(len(seen) > 0, f"{len(seen)} progress values were seen while it ran")
    stage.check(json.loads(body)["status"] == "COMPLETED", "it is COMPLETED")
    return body


def webhook(stage: Stage, id: str, status: bytes) -> None:
    """The receiver got what `/status` says, in the form that the plugin in the webhook's place gives it."""
    stage.step("The webhook, as received")
    received = wait_for("the webhook", lambda: stage.receiver.at("/done"))[0]
    sender = stage.plugins["webhook"]
    console.print(f"  sent by {sender['ref']} of {sender['dist']}")
    console.print(f"  Content-Type: {received.headers['content-type']}")
    show("its body", received.body)
    if sender["ref"] == BUILT_IN:
        console.print(f"  webhook-id: {received.headers['webhook-id']}")
        stage.check(received.body == status, f"the same {len(status)} bytes as GET /status answered")
        stage.check(
            id in received.headers["webhook-id"], "its webhook-id names the job, the same on every try"
        )
    else:
        event = json.loads(received.body)
        stage.check(
            event.get("data") == json.loads(status), "its data is the object that GET /status answered"
        )
        stage.check(event.get("subject") == id, "its subject is the job")


def storage(stage: Stage, status: bytes) -> None:
    """The handler's object, read by another client."""
    stage.step("The object in S3")
    output = json.loads(status)["output"]
    data = stage.bucket.read(output["key"])
    with Image.open(io.BytesIO(data)) as image:
        console.print(
            f"  s3://{stage.bucket.name}/{output['key']}  {len(data):,} bytes, {image.width} x {image.height}"
        )
        stage.check(image.width == 320, "a JPEG, 320 pixels wide")
    stage.check(len(data) == output["bytes"], "as many bytes as the handler says it wrote")


def secrecy(stage: Stage) -> None:
    """The secret was used, and is nowhere."""
    stage.step("Search for the secret")
    files = [path for path in stage.folder.iterdir() if path.is_file() and path.name != "s3.log"]
    places = {
        f"{len(stage.client.seen)} answers of the API": b"".join(stage.client.seen),
        "the webhook's headers and body": b"".join(
            str(each.headers).encode() + each.body for each in stage.receiver.received
        ),
        **{f"{path.name}, {path.stat().st_size:,} bytes": path.read_bytes() for path in sorted(files)},
    }
    for place, content in places.items():
        stage.check(stage.bucket.secret.encode() not in content, f"not in {place}")
    stage.check(any(path.name == "queue.db" for path in files), "the queue's files were among them")


def refusal(stage: Stage) -> None:
    """A receiver that never acknowledges."""
    stage.step("A receiver that refuses")
    id = stage.client.submit("sizes", {"widths": [64]}, webhook=f"{stage.receiver.base}/refuse")["id"]

    def dead() -> dict[str, Any] | None:
        rows = stage.client.call("GET", f"/deliveries?job={id}&state=dead").json()["deliveries"]
        return rows[0] if rows else None

    delivery = wait_for("the end of the attempts", dead)
    tries = stage.receiver.at("/refuse")
    show(
        "GET /deliveries?state=dead answered, in part",
        {k: delivery[k] for k in ("state", "number", "attempts", "detail")},
    )
    counted = delivery["number"] == delivery["attempts"] == len(tries) == 2
    stage.check(counted, "2 attempts in all; then it is dead, and listed")
    stage.check(tries[0].body == tries[1].body, "both carried the same bytes")
    status = stage.client.call("GET", f"/v2/sizes/status/{id}").json()["status"]
    stage.check(status == "COMPLETED", "the job itself is COMPLETED all the same")


def refresh(stage: Stage) -> None:
    """A job that asks for a new worker gets one."""
    stage.step("A job that asks for a fresh worker")
    answers = [stage.client.call("POST", "/v2/once/runsync", {"input": {}}).json() for _ in range(2)]
    before, after = (answer["output"]["pid"] for answer in answers)
    console.print(f"  process of the first job {before}, of the second {after}")
    stage.check(before != after, "the worker was replaced by a fresh process")
    stage.check(
        all("refresh_worker" not in answer["output"] for answer in answers), "the flag is not in the output"
    )


def streamed(stage: Stage) -> None:
    """Chunks as they are made."""
    stage.step("A job that streams")
    id = stage.client.submit("sizes", {"widths": [1200, 600, 300, 150]})["id"]
    chunks: list[Any] = []

    def over() -> bool:
        answer = stage.client.call("GET", f"/v2/sizes/stream/{id}").json()
        for each in answer["stream"]:
            chunks.append(each["output"])
            console.print(f"  chunk {len(chunks)}  {each['output']}")
        return answer["status"] in ENDED and not answer["stream"]

    wait_for("the end of the stream", over)
    final = stage.client.call("GET", f"/v2/sizes/status/{id}").json()
    stage.check([each["width"] for each in chunks] == [1200, 600, 300, 150], "4 chunks, in order, each once")
    stage.check(final["output"] == chunks, "the job's output is the list of them")


def stopping(stage: Stage) -> None:
    """SIGTERM ends everything in good order."""
    stage.step("Stop")
    stage.check(stop(stage.server, 15) == 0, "the server ended with code 0, its workers before it")


def tour(stage: Stage) -> None:
    """Every step, in order."""
    id = submit(stage)
    status = follow(stage, id)
    webhook(stage, id, status)
    storage(stage, status)
    refusal(stage)
    refresh(stage)
    streamed(stage)
    secrecy(stage)
    stopping(stage)


@contextlib.contextmanager
def bounded(seconds: int) -> Iterator[None]:
    """End the tour, whatever it waits for; SIGTERM ends it as Ctrl-C does."""

    def too_long(*_: object) -> None:
        raise Failed(f"the tour took longer than {seconds} s")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGTERM, interrupt)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def main() -> int:
    """Set the stage, give the tour, clear the stage."""
    started = time.monotonic()
    console.print("[bold]workerkit[/]: one decorated function, and all that happens around its jobs")
    try:
        with bounded(LONGEST), contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="workerkit-demo-")))
            receiver = stack.enter_context(receiving())
            bucket = stack.enter_context(storing(folder))
            client, server = stack.enter_context(serving(folder))
            for name, base in (
                ("job API", client.base),
                ("receiver", receiver.base),
                ("S3 server", bucket.endpoint),
            ):
                console.print(f"  {name:9} {base}")
            stage = Stage(folder, client, server, receiver, bucket, active_plugins(folder))
            tour(stage)
    except Failed as failure:
        console.print(f"\n[bold red]✗[/] {failure}")
        return 1
    except KeyboardInterrupt:
        console.print("\ninterrupted; everything is stopped")
        return 130
    console.print(
        f"\n[bold green]{stage.checks} checks held[/] in {time.monotonic() - started:.1f} s; nothing is left running."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
