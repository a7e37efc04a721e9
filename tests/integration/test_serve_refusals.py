"""What keeps `workerkit serve` from starting: one sentence that names culprit and cure, exit code 1, or 3 when it is the workers that cannot start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from waiting import until
from workerkit.testing import Server

GOOD = "from workerkit import worker_function\n\n@worker_function\ndef hello(job):\n    return 1\n"


def serve(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit code and all output of a `serve` that is expected to refuse."""
    done = subprocess.run(
        [sys.executable, "-m", "workerkit", "serve", *arguments],
        cwd=folder,
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def processes_in(folder: Path) -> list[str]:
    """The command lines of those that work in a folder, where the system tells (Linux)."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile, or somebody else's
            if (process / "cwd").readlink() == folder:
                found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def refused(output: str) -> str:
    """The one line that says why; there is no traceback of ours before it."""
    [line] = [line for line in output.splitlines() if line.startswith("workerkit: ")]
    return line


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("import tourch\n", ["handler.py", "tourch", "line 1"]),
        ("def hello(job)\n    return 1\n", ["handler.py", "line 1"]),
        ("def hello(job):\n    return 1\n", ["handler.py", "@worker_function"]),
        (GOOD + "\n@worker_function(name='hello')\ndef other(job):\n    return 2\n", ["hello", "both"]),
        (
            "from workerkit import worker_function\n\n@worker_function\ndef f(a: complex):\n    return 1\n",
            ["'a'", "complex cannot be made of JSON"],
        ),
        ("import os\nos._exit(9)\n", ["the worker exited with code 9 while it imported handler.py"]),
    ],
    ids=[
        "import error",
        "syntax error",
        "nothing decorated",
        "two of one name",
        "an impossible parameter",
        "exits",
    ],
)
def test_a_handler_that_cannot_be_served(tmp_path: Path, source: str, parts: list[str]) -> None:
    (tmp_path / "handler.py").write_text(source)

    code, output = serve(tmp_path, "handler.py", "--port", "0")

    assert code == 3
    for part in parts:
        assert part in output
    assert refused(output)
    assert "workerkit/target.py" not in output
    assert "importlib" not in output


def test_a_handler_file_that_is_not_there_names_the_one_that_is(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(GOOD)

    code, output = serve(tmp_path, "handlr.py", "--port", "0")

    assert code == 1
    assert "handlr.py" in refused(output)
    assert "handler.py" in refused(output)
    assert "listening" not in output


def test_a_port_in_use(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(GOOD)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])

        code, output = serve(tmp_path, "handler.py", "--port", port)

    assert code == 1
    assert port in refused(output)
    assert "--port" in refused(output)


def test_a_queue_that_another_server_owns(tmp_path: Path) -> None:
    with Server(tmp_path, GOOD) as server:
        code, output = serve(tmp_path, "handler.py", "--port", "0")

        assert code == 1
        assert str(server.pid) in refused(output)
        assert "queue.db" in refused(output)
        assert server.post("/v2/hello/runsync", {"input": 1})[1]["output"] == 1


def test_the_same_command_typed_twice_names_the_server_that_is_there(tmp_path: Path) -> None:
    with Server(tmp_path, GOOD) as server:
        code, output = serve(tmp_path, "handler.py", "--port", server.url.rpartition(":")[2])

    assert code == 1
    assert f"process {server.pid} serves the queue" in refused(output)
    assert f"at {server.url} already" in refused(output)


def test_a_key_that_cannot_be_right_stops_the_start_before_there_is_a_queue(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(GOOD)
    (tmp_path / "workerkit.toml").write_text("[server.keys.me]\nsha256 = 'open sesame'\n")

    code, output = serve(tmp_path, "handler.py", "--port", "0")

    assert code == 1
    assert "[server.keys.me] sha256 must be 64 hexadecimal digits" in output
    assert output == refused(output) + "\n"
    assert not (tmp_path / ".workerkit").exists()


def test_a_queue_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(GOOD)
    (tmp_path / "notes.db").write_text("shopping list: apples, pears and a great many other things\n" * 100)

    code, output = serve(tmp_path, "handler.py", "--port", "0", "--queue", "sqlite:///notes.db")

    assert code == 1
    assert "notes.db" in refused(output)
    assert (tmp_path / "notes.db").read_text().startswith("shopping list")


def test_a_queue_whose_lock_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(GOOD)
    (tmp_path / "q.db.lock").mkdir()
    code, output = serve(tmp_path, "handler.py", "--port", "0", "--queue", "sqlite:///q.db")

    assert code == 1
    assert refused(output).startswith(
        f"workerkit: {tmp_path}/q.db.lock, the lock of the queue, cannot be opened"
    )
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("settings", "parts"),
    [
        ('[plugins]\nload = ["nowhere:Plugin"]\n', ["nowhere:Plugin", "No module named"]),
        ('[plugins]\nload = ["mine:Broken"]\n', ["post_jbo", "post_job"]),
        ('[plugins]\ndisable = ["webhok"]\n', ["webhok", "'webhook'"]),
        ("[plugin.webhook]\nattemps = 3\n", ["attemps", "'attempts'"]),
        ('[plugin.webhook]\nattempts = "many"\n', ["webhook", "attempts"]),
        ("[server]\nprot = 1\n", ["prot", "'port'"]),
        ("[server\n", ["workerkit.toml", "line 1"]),
        ('[queue]\nurl = "mongodb://x"\n', ["mongodb", "sqlite:///"]),
    ],
)
def test_settings_and_plugins_that_are_wrong(tmp_path: Path, settings: str, parts: list[str]) -> None:
    (tmp_path / "handler.py").write_text(GOOD)
    (tmp_path / "workerkit.toml").write_text(settings)
    (tmp_path / "mine.py").write_text(
        "from workerkit import hookimpl\n\nclass Broken:\n    @hookimpl\n    def post_jbo(self, request): ...\n"
    )

    code, output = serve(tmp_path, "handler.py", "--port", "0")

    assert code == 1
    for part in parts:
        assert part in refused(output)


def test_a_misspelt_variable(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(GOOD)

    code, output = serve(tmp_path, "handler.py", environ={"WORKERKIT_SERVER__PROT": "1"})

    assert code == 1
    assert "WORKERKIT_SERVER__PROT" in refused(output)


def test_an_address_for_others_needs_a_key(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(GOOD)

    code, output = serve(tmp_path, "handler.py", "--host", "0.0.0.0", "--port", "0")

    assert code == 1
    assert "workerkit key new" in output


def test_workers_for_a_function_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(GOOD)

    code, output = serve(tmp_path, "handler.py", "--port", "0", "--workers", "helo=2")

    assert code == 1
    assert "'hello'" in refused(output)


@pytest.mark.parametrize(
    ("arguments", "settings", "source"),
    [(("--workers", "1-4"), "", "--workers"), ((), '[workers]\ncount = "1-4"\n', "workerkit.toml")],
)
def test_a_number_of_workers_that_is_none_names_its_source_before_anything_listens(
    tmp_path: Path, arguments: tuple[str, ...], settings: str, source: str
) -> None:
    (tmp_path / "handler.py").write_text(GOOD)
    (tmp_path / "workerkit.toml").write_text(settings)

    code, output = serve(tmp_path, "handler.py", "--port", "0", *arguments)

    assert code == 1
    assert output.startswith("workerkit: ")
    assert f"{source}: workers: '1-4' is not a number of workers" in output
    assert output == refused(output) + "\n"
    assert not (tmp_path / ".workerkit").exists()


def test_a_known_endpoint_takes_jobs_while_its_worker_loads_and_a_removed_one_is_named(
    tmp_path: Path,
) -> None:
    two = GOOD + "\n@worker_function\ndef gone(job):\n    import time\n    time.sleep(60)\n"
    slow = "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.01)\n" + GOOD
    with Server(tmp_path, two, ready=False) as server:
        until("it is ready", lambda: server.get("/readyz")[0] == 200)
        left = server.post("/v2/gone/run", {"input": 1})[1]["id"]
        server.kill()
        (tmp_path / "handler.py").write_text(slow)

        server.start()
        status, answer = server.post("/v2/hello/run", {"input": 1})
        assert (status, answer["status"]) == (200, "IN_QUEUE")
        assert server.get("/readyz")[0] == 503
        (tmp_path / "go").touch()

        done = server.get(f"/v2/hello/status-sync/{answer['id']}?wait=20000")[1]
        assert (done["status"], done["output"]) == ("COMPLETED", 1)
        status, answer = server.post("/v2/gone/run", {"input": 1})
        assert (status, answer["code"]) == (404, "unknown_endpoint")
        assert server.get(f"/jobs/{left}")[1]["job"]["status"] == "IN_QUEUE"
        assert "jobs that wait for 'gone', which handler.py does not hold: 1" in server.log()


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["nothing.py"], 1, "nothing.py"),
        (["handler.py", "--set", 'plugins.load=["nothing:Plugin"]'], 1, "nothing"),
        (["handler.py", "--set", "webhook.attempts=many"], 1, "attempts"),
        (["handler.py", "--host", "192.0.2.1"], 1, "without keys"),
        (["handler.py", "--queue", "sqlite:///handler.py"], 1, "is not a SQLite database"),
        (["broken.py"], 3, "tourch"),
    ],
    ids=["no handler", "no plugin", "a bad setting", "an address", "no queue", "a broken handler"],
)
def test_of_the_first_worker_which_is_started_early_nothing_is_left(
    tmp_path: Path, arguments: list[str], code: int, part: str
) -> None:
    (tmp_path / "handler.py").write_text(GOOD)
    (tmp_path / "broken.py").write_text("import tourch\n")

    given = [*arguments, "--port", "0"]
    found, output = serve(tmp_path, *given, environ={"WORKERKIT_QUEUE__URL": "sqlite:///queue.db"})

    assert found == code
    assert part in refused(output)
    assert processes_in(tmp_path) == []
