from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workerkit.testing import Receiver, Server, s3_server

SWAP = Path(__file__).parents[2] / "examples" / "swap"
TEXT = {"prompt": "a lighthouse"}


def lines() -> list[str]:
    """The lines of the example's settings from which the `#` is taken away."""
    text = (SWAP / "workerkit.toml").read_text(encoding="utf-8")
    return re.findall(r"^# ((?:use|disable) = .+)$", text, re.MULTILINE)


@contextmanager
def served(folder: Path, line: str = "") -> Iterator[Server]:
    """The example with one line of its settings at work; that there is such a line is checked."""
    settings = (SWAP / "workerkit.toml").read_text(encoding="utf-8")
    if line:
        assert f"# {line}\n" in settings
        settings = settings.replace(f"# {line}\n", f"{line}\n")
    shutil.copy(SWAP / "swaps.py", folder)
    handler = (SWAP / "handler.py").read_text(encoding="utf-8")
    with Server(folder, handler, settings=settings) as server:
        yield server


def pids(server: Server) -> tuple[int, int]:
    """The processes of two jobs, one after the other."""
    first, second = (server.post("/v2/render/runsync", {"input": {}})[1]["output"]["pid"] for _ in "12")
    return first, second


def test_the_readme_explains_each_line_of_the_settings() -> None:
    explained = re.findall(r"^\| `(.+?)` \|", (SWAP / "README.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert explained == lines()
    assert len(explained) == 6


def test_without_a_line_the_built_in_plugins_do_their_work(tmp_path: Path) -> None:
    objects = tmp_path / "objects"
    objects.mkdir()

    with Receiver() as receiver, s3_server(objects) as s3, served(tmp_path) as server:
        answer = server.post("/v2/render/runsync", {"input": {}, "webhook": f"{receiver.url}/done"})[1]
        stored = server.post("/v2/store/runsync", {"input": TEXT, "s3Config": s3.config()})[1]
        before, after = pids(server)
        [received] = receiver.wait(1)

    assert json.loads(received.body) == answer
    assert set(answer["output"]) == {"pid"}
    assert before != after
    assert stored["output"] == {"key": "render.txt"}
    assert s3.objects() == {"render.txt": b"a lighthouse"}


def test_a_line_has_another_plugin_send_webhooks(tmp_path: Path) -> None:
    with Receiver() as receiver, served(tmp_path, 'use = { webhook = "swaps:Chat" }') as server:
        server.post("/v2/render/runsync", {"input": {}, "webhook": f"{receiver.url}/done"})
        [received] = receiver.wait(1)

    assert json.loads(received.body) == {"text": "render COMPLETED"}


def test_a_line_has_another_plugin_refresh_workers(tmp_path: Path) -> None:
    with served(tmp_path, 'use = { refresh = "swaps:EveryJob" }') as server:
        failed = server.post("/v2/store/runsync", {"input": {}})[1]
        answer = server.post("/v2/render/runsync", {"input": {}})[1]
        log = server.log()

    assert failed["status"] == "FAILED"
    assert set(answer["output"]) == {"pid"}
    assert log.count("is refreshed: every job has a fresh worker") >= 1


def test_a_line_has_another_plugin_provide_buckets(tmp_path: Path) -> None:
    with served(tmp_path, 'use = { s3 = "swaps:Files" }') as server:
        stored = server.post("/v2/store/runsync", {"input": TEXT})[1]

    assert stored["output"] == {"key": "render.txt"}
    assert (tmp_path / "bucket" / "render.txt").read_text() == "a lighthouse"


def test_a_line_removes_webhooks_and_tells_clients_that_send_one(tmp_path: Path) -> None:
    with Receiver() as receiver, served(tmp_path, 'disable = ["webhook"]') as server:
        body = json.dumps({"input": {}, "webhook": f"{receiver.url}/done"})
        answer = server.http.request("POST", f"{server.url}/v2/render/runsync", body=body)

    assert answer.json()["status"] == "COMPLETED"
    assert answer.headers["X-Workerkit-Ignored"] == "webhook"
    assert receiver.requests == []  # the server has stopped


def test_a_line_removes_refresh_and_its_flag_means_nothing(tmp_path: Path) -> None:
    with served(tmp_path, 'disable = ["refresh"]') as server:
        answer = server.post("/v2/render/runsync", {"input": {}})[1]
        before, after = pids(server)

    assert answer["output"]["refresh_worker"] is True
    assert before == after


def test_a_line_removes_buckets_and_a_handler_that_needs_one_says_so(tmp_path: Path) -> None:
    with served(tmp_path, 'disable = ["s3"]') as server:
        stored = server.post("/v2/store/runsync", {"input": TEXT})[1]

    assert stored["status"] == "FAILED"
    assert "no plugin provided a Bucket for this job" in stored["error"]
