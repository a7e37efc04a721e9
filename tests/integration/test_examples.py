from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import urllib3

from waiting import until
from workerkit import Delivery, Receipt
from workerkit.testing import Server

EXAMPLES = Path(__file__).parents[2] / "examples"
TOUR = EXAMPLES / "demo" / "tour.py"


def run(folder: str, *arguments: str) -> Any:
    command = [sys.executable, "-m", "workerkit", "run", *arguments]
    done = subprocess.run(command, cwd=EXAMPLES / folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_example_has_a_readme_and_is_in_the_list() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")

    for folder in (
        path for path in EXAMPLES.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))
    ):
        assert (folder / "README.md").is_file(), folder
        assert f"]({folder.name}/)" in listed, folder


def test_hello_greets_whom_its_sample_names() -> None:
    assert run("hello", "handler.py") == {"greeting": "Hello, Ada!"}


def test_hello_is_served() -> None:
    assert run("hello", "handler.py", "--input", "{}") == {"greeting": "Hello, world!"}


def test_thumbnail_streams_smaller_and_smaller_pictures() -> None:
    chunks = run("thumbnail", "handler.py:sizes", "--input", '{"widths": [600, 300, 150]}')

    assert [chunk["width"] for chunk in chunks] == [600, 300, 150]
    assert chunks[0]["bytes"] > chunks[1]["bytes"] > chunks[2]["bytes"] > 1000


def test_own_plugin_writes_how_each_job_ended(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "own_plugin" / "audit.py", tmp_path)
    settings = (EXAMPLES / "own_plugin" / "workerkit.toml").read_text(encoding="utf-8")
    handler = (EXAMPLES / "own_plugin" / "handler.py").read_text(encoding="utf-8")

    with Server(tmp_path, handler, settings=settings) as server:
        good = server.post("/v2/square/runsync", {"input": {"number": 12}})[1]
        bad = server.post("/v2/square/runsync", {"input": {}})[1]
        log = tmp_path / "audit.log"
        until("both are written", lambda: log.exists() and log.read_text().count("\n") == 2)

    lines = sorted(log.read_text().splitlines())
    assert good["output"] == 144
    assert bad["status"] == "FAILED"
    assert [line.split()[:2] for line in lines] == [["square", "COMPLETED"], ["square", "FAILED"]]
    assert all(float(line.split()[2]) >= 0 for line in lines)


def test_own_plugin_writes_a_delivery_that_comes_twice_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES / "own_plugin"))
    from audit import Audit, Settings

    plugin = Audit(Settings(file=str(tmp_path / "audit.log")))
    delivery = Delivery(target="audit.log", body=b"square COMPLETED 1 ms", id="d1")

    receipts = [plugin.deliver(delivery), plugin.deliver(delivery)]

    assert receipts == [Receipt.delivered(), Receipt.delivered("it was there already")]
    assert (tmp_path / "audit.log").read_text() == "square COMPLETED 1 ms d1\n"


def tour(**environ: str) -> subprocess.Popen[str]:
    """The demo in a session of its own; a variable marks every process that it starts."""
    return subprocess.Popen(
        [sys.executable, str(TOUR)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "TOUR_MARK": str(os.getpid()), **environ},
    )


def left_running() -> list[int]:
    """Processes that still carry the mark of a tour that this test process started."""
    mark, found = f"TOUR_MARK={os.getpid()}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
    return found


@pytest.fixture
def own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_the_demo_ends_by_itself_with_everything_held_and_nothing_left(own_temporary_folder: Path) -> None:
    process = tour()
    printed, _ = process.communicate(timeout=90)

    assert process.returncode == 0, printed
    assert "checks held" in printed
    assert "sent by workerkit_plugins.webhook:Webhook of workerkit" in printed
    assert left_running() == []
    assert list(own_temporary_folder.iterdir()) == []


def test_an_interrupted_demo_leaves_nothing_running(own_temporary_folder: Path) -> None:
    process = tour()
    assert process.stdout is not None
    for line in process.stdout:
        if "1. Submit" in line:
            break
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)

    assert process.returncode == 130, printed
    assert left_running() == []
    assert list(own_temporary_folder.iterdir()) == []


def blocks(language: str) -> list[str]:
    """The README's code blocks in a language."""
    text = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_readmes_quickstart_does_what_it_says(tmp_path: Path) -> None:
    [script] = [block for block in blocks("bash") if "cat > handler.py" in block]
    handler = script.partition("<<'PY'\n")[2].partition("\nPY\n")[0]
    [call] = [block for block in blocks("bash") if "runsync" in block]
    body = json.loads(call.partition("'")[2].partition("'")[0])

    with Server(tmp_path, handler) as server:
        answer = server.post("/v2/render/runsync", body)[1]

    assert answer["output"] == {"image": "rendered a lighthouse"}


def test_every_handler_and_plugin_in_the_readme_loads(tmp_path: Path) -> None:
    for number, source in enumerate(blocks("python")):
        if "import" not in source:
            source = f"from workerkit import worker_function\n{source}"
        path = tmp_path / f"block{number}.py"
        path.write_text(source)
        done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


def test_the_readmes_settings_can_be_pasted_beside_its_plugin(tmp_path: Path) -> None:
    [plugin] = [block for block in blocks("python") if "class Clock" in block]
    [settings] = blocks("toml")
    (tmp_path / "clock.py").write_text(plugin)
    (tmp_path / "workerkit.toml").write_text(settings)

    command = [sys.executable, "-m", "workerkit", "plugins"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert "clock" in done.stdout


def test_the_readmes_receiver_acknowledges_a_webhook(tmp_path: Path) -> None:
    [script] = [block for block in blocks("bash") if "cat > receiver.py" in block]
    source = script.partition("<<'PY'\n")[2].partition("\nPY\n")[0].replace("9000", "0")
    source = source.replace("HTTPServer((", "server = HTTPServer((").replace(
        ").serve_forever()", ")\nprint(server.server_port, flush=True)\nserver.serve_forever()"
    )
    receiver = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True)
    try:
        assert receiver.stdout is not None
        port = int(receiver.stdout.readline())
        answer = urllib3.request("POST", f"http://127.0.0.1:{port}/done", body=b"{}", timeout=20)
        assert answer.status == 200
    finally:
        receiver.kill()
        receiver.communicate()
