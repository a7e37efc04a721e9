"""A secret of a request at rest: encrypted before anything is stored, and wiped when no run can need it."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from waiting import until
from workerkit.cli import invoke
from workerkit.testing import Server

SECRET = "kept/to+me 4711=Zq"
FORMS = [
    form.encode()
    for form in (SECRET, quote(SECRET), quote(SECRET, safe=""), base64.b64encode(SECRET.encode()).decode())
]
HANDLER = """
import logging, os, time
from workerkit import worker_function

logging.basicConfig(level=logging.DEBUG)

@worker_function(max_starts=1)
def work(job):
    secret, how = job["letter"]["code"] if "letter" in job else "", job["input"]
    logging.getLogger("anyone").debug("the worker saw %s", secret)
    if how == "raise":
        raise ValueError(secret)
    if how == "die":
        os._exit(9)
    if how == "hang":
        job.progress(secret)
        time.sleep(60)
    return secret[::-1]
"""
PLUGIN = """
import logging
from typing import ClassVar
import attrs
from workerkit import Field, Secret, hookimpl
from workerkit.queue.sqlite import SQLiteStore

@attrs.frozen
class Letter:
    code: Secret

class Letters:
    fields: ClassVar = {"letter": Field(Letter, secret=True)}

    def __init__(self):  # the host logs everything, too
        for name in (None, "workerkit"):
            logging.getLogger(name).setLevel(logging.DEBUG)

    @hookimpl
    def accept(self, request):
        logging.getLogger("anyone").debug("the host saw %r %r", request, dict(request.fields))

    @hookimpl
    def open_queue(self, url):
        if url.startswith("shared://"):
            return SQLiteStore("shared.db", lease_ms=30_000, keep_ms=60_000, queue_length=9, holder="h")
"""
SETTINGS = '[plugins]\nload = ["letters:Letters"]\n[workers]\nstop_grace = 0\n'
LETTER = {"code": SECRET}


def serving(folder: Path, settings: str = "", key: str = "", **more: Any) -> Server:
    (folder / "letters.py").write_text(PLUGIN)
    environ = {"WORKERKIT_SECRET_KEY": key} if key else {}
    return Server(folder, HANDLER, settings=SETTINGS + settings, environ=environ, **more)


def new_key(capsys: pytest.CaptureFixture[str]) -> str:
    assert invoke(["secret-key"]) == 0
    return capsys.readouterr().out.strip()


def sealed(folder: Path, id: str) -> list[bytes]:
    """The encrypted fields that the queue's file holds of a job."""
    sql = "SELECT value FROM secret WHERE job = (SELECT seq FROM job WHERE id = ?)"
    with closing(sqlite3.connect(f"file:{folder}/.workerkit/queue.db?mode=ro", uri=True, timeout=10)) as db:
        return [value for (value,) in db.execute(sql, (id,))]


def traces(folder: Path, forms: list[bytes]) -> list[str]:
    """Which of the queue's files and the log hold one of these."""
    files = [path for path in (*(folder / ".workerkit").iterdir(), folder / "server.log") if path.is_file()]
    return [path.name for path in files if any(form in path.read_bytes() for form in forms)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("sealed"), "[policy]\nexecution_timeout = 5\n") as server:
        yield server


@pytest.mark.parametrize(
    ("how", "status", "kept"),
    [
        ("return", "COMPLETED", 0),
        ("raise", "FAILED", 1),
        ("die", "FAILED", 1),
        ("cancel", "CANCELLED", 0),
        ("cancel while it waits", "CANCELLED", 0),
        ("purge", "CANCELLED", 0),
        ("time is over", "TIMED_OUT", 1),
    ],
)
def test_no_end_leaves_a_trace_and_only_what_can_be_retried_keeps_the_sealed_field(
    server: Server, how: str, status: str, kept: int
) -> None:
    waits = how in ("cancel while it waits", "purge")
    hangs = how in ("cancel", "time is over") or waits
    first = server.submit("work", "hang" if hangs else how, letter=LETTER)
    id = server.submit("work", "return", letter=LETTER) if waits else first
    if hangs:
        until("it hangs", lambda: server.get(f"/v2/work/status/{first}")[1].get("output") == "***")
        assert len(sealed(server.folder, id)) == 1
        assert traces(server.folder, FORMS) == []
    if how == "purge":
        assert server.post("/v2/work/purge-queue")[1]["removed"] == 1
    elif status == "CANCELLED":
        server.post(f"/v2/work/cancel/{id}")
    if waits:
        server.post(f"/v2/work/cancel/{first}")

    answer = server.wait("work", id)

    assert answer["status"] == status
    assert len(sealed(server.folder, id)) == kept
    assert traces(server.folder, FORMS) == []
    assert not any(form in json.dumps(answer).encode() for form in FORMS)


def test_a_job_that_was_retried_has_its_secret_again(server: Server) -> None:
    id = server.submit("work", "raise", letter=LETTER)
    error = server.wait("work", id)["error"]

    assert server.post(f"/v2/work/retry/{id}")[0] == 200

    assert server.wait("work", id)["error"] == error
    assert "***" in json.loads(error)["error_message"]


def test_the_log_has_everything_but_the_secret(server: Server) -> None:
    server.run("work", "return", letter=LETTER)

    log = server.log()
    assert "DEBUG:anyone:the worker saw ***" in log
    assert "{'letter': Letter(code=Secret('***'))}" in log
    found = traces(server.folder, [b"the worker saw ***"])  # which looks where a secret would be found
    assert {name.partition("-")[0] for name in found} == {"queue.db", "server.log"}
    assert not any(form in log.encode() for form in FORMS)


@pytest.mark.parametrize(("how", "status"), [("return", "COMPLETED"), ("hang", "CANCELLED")])
def test_not_even_the_sealed_field_stays_in_the_file(tmp_path: Path, how: str, status: str) -> None:
    with serving(tmp_path, "count = 0\n") as server:
        id = server.submit("work", how, letter=LETTER)
        [value] = sealed(tmp_path, id)
        assert traces(tmp_path, [value]) != []
    (tmp_path / "workerkit.toml").write_text(SETTINGS)
    with server:
        if status == "CANCELLED":
            server.post(f"/v2/work/cancel/{id}")
        assert server.wait("work", id)["status"] == status

    assert traces(tmp_path, [value]) == []


def test_the_log_of_a_server_that_goes_on_does_not_keep_it_either(tmp_path: Path) -> None:
    with serving(tmp_path, "") as server:
        id = server.submit("work", "hang", letter=LETTER)
        [value] = sealed(tmp_path, id)
        server.post(f"/v2/work/cancel/{id}")
        until("it is out of the log", lambda: not traces(tmp_path, [value]), seconds=30)
        assert server.wait("work", id)["status"] == "CANCELLED"


def test_a_server_that_was_killed_leaves_it_to_the_next_start(tmp_path: Path) -> None:
    with serving(tmp_path, "") as server:
        id = server.submit("work", "hang", letter=LETTER)
        [value] = sealed(tmp_path, id)
        server.post(f"/v2/work/cancel/{id}")
        server.kill()
        assert traces(tmp_path, [value]) != [], "it was gone already, so this test shows nothing"
        server.start()
        assert traces(tmp_path, [value]) == []


def test_retention_wipes_and_then_there_is_no_retry(tmp_path: Path) -> None:
    with serving(tmp_path, "[queue]\nkeep = 1\n[plugin.webhook]\nretry_delay = 600\n") as server:
        forgotten = server.submit("work", "raise", letter=LETTER)
        # The job stays for the delivery's sake, to a port at which nobody listens.
        needed = server.submit("work", "raise", letter=LETTER, webhook="http://127.0.0.1:9/hook")
        assert server.wait("work", needed)["status"] == "FAILED"
        assert len(sealed(tmp_path, needed)) == 1
        until("it is wiped", lambda: not sealed(tmp_path, needed), seconds=30)

        status, answer = server.post(f"/v2/work/retry/{needed}")
        assert (status, answer["code"]) == (409, "secret_gone")
        assert answer["error"] == (
            f"the secret fields of job {needed} were wiped when its retention ended, so it cannot run again; "
            "submit it anew"
        )
        status, answer = server.post(f"/v2/work/retry/{forgotten}")
        assert (status, answer["code"]) == (404, "unknown_job")
        assert "results are kept for 1 s after a job's end" in answer["error"]


def test_keys_are_rotated_by_a_restart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = new_key(capsys), new_key(capsys)
    with serving(tmp_path, "count = 0\n", key=old) as server:
        before = server.submit("work", "return", letter=LETTER)
    assert not (tmp_path / ".workerkit" / "queue.db.key").exists()

    with serving(tmp_path, key=f"{new},{old}") as server:
        after = server.submit("work", "hang", letter=LETTER)
        assert server.wait("work", before)["output"] == SECRET[::-1]
        [value] = sealed(tmp_path, after)
        server.post(f"/v2/work/cancel/{after}")
    assert value[1:5] == hashlib.sha256(base64.b64decode(new)).digest()[:4]
    assert traces(tmp_path, [old.encode(), new.encode()]) == []


def test_a_lost_key_fails_the_job_with_a_sentence_until_it_is_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost, present = new_key(capsys), new_key(capsys)
    with serving(tmp_path, "count = 0\n", key=lost) as server:
        id = server.submit("work", "return", letter=LETTER)

    with serving(tmp_path, key=present) as server:
        answer = server.wait("work", id)
        assert answer["status"] == "FAILED"
        assert f"the key that sealed field 'letter' of job {id} is gone" in answer["error"]
        assert "into WORKERKIT_SECRET_KEY" in answer["error"]
        status, refused = server.post(f"/v2/work/retry/{id}")
        assert (status, refused["code"], refused["error"]) == (409, "secret_gone", answer["error"])

    with serving(tmp_path, key=f"{present},{lost}") as server:
        assert server.post(f"/v2/work/retry/{id}")[0] == 200
        assert server.wait("work", id)["output"] == SECRET[::-1]


def test_a_key_file_that_others_may_read_is_refused_until_it_is_private(tmp_path: Path) -> None:
    file = tmp_path / ".workerkit" / "queue.db.key"
    with serving(tmp_path) as server:
        assert server.run("work", "return", letter=LETTER)["output"] == SECRET[::-1]
        assert file.stat().st_mode & 0o777 == 0o600
        file.chmod(0o644)
        server.stop()
        server.start()

        status, answer = server.post("/v2/work/run", {"input": "return", "letter": LETTER})

        assert (status, answer["code"]) == (503, "cannot_seal")
        assert f"others may read it; run: chmod 600 {file}" in answer["error"]
        assert server.run("work", "return")["status"] == "COMPLETED"
        file.chmod(0o600)
        assert server.run("work", "return", letter=LETTER)["output"] == SECRET[::-1]


def test_a_queue_without_a_file_needs_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = '[queue]\nurl = "shared://jobs"\n'
    with serving(tmp_path, shared) as server:
        status, answer = server.post("/v2/work/run", {"input": "return", "letter": LETTER})
        assert (status, answer["code"]) == (400, "no_secret_key")
        assert "field 'letter' is secret" in answer["error"]
        assert "set WORKERKIT_SECRET_KEY to the output of `workerkit secret-key`" in answer["error"]
        assert server.run("work", "return")["status"] == "COMPLETED"

    with serving(tmp_path, shared, key=new_key(capsys)) as server:
        assert server.run("work", "return", letter=LETTER)["output"] == SECRET[::-1]


def test_a_malformed_key_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(
        AssertionError, match=r"key 1 is not 32 bytes in base64; make one with `workerkit secret-key`"
    ):
        serving(tmp_path, key="hush").start()
    assert "hush" not in (tmp_path / "server.log").read_text()
