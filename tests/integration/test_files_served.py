"""Files in a served toolkit, where host, worker and client are processes of their own."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest

from fetching import moved, ok, site
from receivers import Talk, receiver
from workerkit.testing import Server, until

HANDLERS = """
from pathlib import Path
from workerkit import InputFile, worker_function

@worker_function(retries=2, retry_delay=0.01)
def join(parts: list[InputFile], name: str = "whole.txt", job=None):
    whole = parts[0].path.with_name(name)
    whole.write_bytes(b"".join(part.path.read_bytes() for part in parts))
    return {"whole": whole, "folder": str(whole.parent)}

@worker_function
def tricked(job):
    return Path(job["input"])
"""


@pytest.fixture
def server(tmp_path: Path) -> Server:
    settings = '[queue]\nurl = "sqlite:///jobs.db"\n[plugin.files]\nfolders = ["mistyped"]\n'
    return Server(tmp_path, HANDLERS, settings=settings)


def test_files_are_fetched_for_a_typed_handler_and_gone_after_the_job(server: Server) -> None:
    with server, receiver(site({"/a": ok(b"he"), "/b": moved("/c"), "/c": ok(b"llo")})) as web:
        base = f"http://127.0.0.1:{web.port}"
        done = server.run("join", {"parts": [f"{base}/a?sig=1", f"{base}/b"]})

        assert b64decode(done["output"]["whole"].partition(",")[2]) == b"hello"
        until("the job's folder is removed", lambda: not Path(done["output"]["folder"]).exists())


def test_what_may_pass_is_tried_again_where_the_handler_has_retries_and_what_may_not_is_not(
    server: Server,
) -> None:
    answers = [b"HTTP/1.1 503 Busy\r\n\r\n", b"", ok(b"at last")]

    def recovers(talk: Talk) -> None:
        talk.sock.sendall(answers.pop(0))

    with server, receiver(site({"/x": recovers})) as web:
        base = f"http://127.0.0.1:{web.port}"
        done = server.run("join", {"parts": [f"{base}/x"]})
        gone = server.run("join", {"parts": [f"{base}/gone?sig=1"]})

    assert (done["status"], done["retries"]) == ("COMPLETED", 2)
    assert (gone["status"], gone.get("retries", 0)) == ("FAILED", 0)
    assert gone["error"] == f"cannot fetch {base}/gone?…: the server answers 404 Not Found"


KEPT_BACK = {
    "/etc/passwd": "which is in none of the folders that it may be in",
    "/proc/self/environ": "which is in none of the folders that it may be in",
    "jobs.db": "which may belong to a queue",
    "jobs.db-wal": "which may belong to a queue",
    "jobs.db.lock": "which belongs to a queue",
    "jobs.db.key": "which may be a key",
    "workerkit.toml": "which may be settings, with secrets",
}


def test_a_tricked_handler_gives_away_its_own_files_and_nothing_of_the_servers(server: Server) -> None:
    (server.folder / "model.txt").write_text("weights")
    with server:
        errors = {path: server.run("tricked", path).get("error", "") for path in KEPT_BACK}
        shown = server.run("tricked", "model.txt")

    assert (
        f"there is no folder '{server.folder}/mistyped', which `folders` under [plugin.files]" in server.log()
    )
    assert {path: why for path, why in KEPT_BACK.items() if why not in errors[path]} == {}
    assert shown["output"] == "data:text/plain;base64,d2VpZ2h0cw=="
