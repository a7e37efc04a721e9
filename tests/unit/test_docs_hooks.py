"""The examples of the hooks' page do what the page says of them."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from documentation import DOCS
from workerkit import JobEvent, PluginFailed, Receipt, Refused, Status
from workerkit.bridge import Bridge
from workerkit.hooks import Hooks, LoadedPlugin
from workerkit.opening import store_of
from workerkit.settings import QueueSettings, Settings
from workerkit.testing import run_job

EXAMPLES = DOCS / "examples"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The examples can be imported by name, as files beside a settings file can."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield
    for name in set(sys.modules) - before:
        if EXAMPLES in Path(getattr(sys.modules[name], "__file__", None) or "").parents:
            del sys.modules[name]


def echo(job: Any) -> Any:
    return job.input


def fail(job: Any) -> Any:
    raise RuntimeError("out of paper")


def test_accept_refuses_an_unknown_customer_and_lets_in_a_request_without_one() -> None:
    from customers import Customers

    known = {"customers": {"known": ["ada"]}}

    assert run_job(echo, 1, plugins=[Customers], settings=known, fields={"customer": "ada"}).output == 1
    assert run_job(echo, 1, plugins=[Customers], settings=known).output == 1
    with pytest.raises(Refused, match="customer 'bob' is unknown"):
        run_job(echo, 1, plugins=[Customers], settings=known, fields={"customer": "bob"})


def test_pre_job_provides_what_a_handler_asks_for_by_type(tmp_path: Path) -> None:
    from glossary import Glossaries, Glossary

    def look_up(job: Any, words: Any) -> Any:
        return words.explain(job.input)

    look_up.__annotations__["words"] = Glossary
    (tmp_path / "words.json").write_text(json.dumps({"pelorus": "a dumb compass"}))
    settings = {"glossaries": {"file": str(tmp_path / "words.json")}}

    assert run_job(look_up, "pelorus", plugins=[Glossaries], settings=settings).output == "a dumb compass"
    without = run_job(look_up, "pelorus")
    assert without.status is Status.FAILED
    assert "no plugin provided a Glossary for this job; load the plugin" in (without.error or "")


def test_run_job_leaves_a_note_even_when_the_handler_raises() -> None:
    from around import Timing

    assert run_job(echo, 1, plugins=[Timing]).notes["seconds"] >= 0
    failed = run_job(fail, plugins=[Timing])
    assert failed.status is Status.FAILED
    assert failed.notes["seconds"] >= 0


def test_run_job_answers_a_rehearsal_inside_the_wrappers_and_without_the_handler() -> None:
    from around import Rehearsal, Timing

    run = run_job(fail, "a lighthouse", plugins=[Timing, Rehearsal], fields={"rehearsal": True})

    assert run.output == {"rehearsed": "a lighthouse"}
    assert "seconds" in run.notes
    assert run_job(fail, plugins=[Rehearsal], fields={"rehearsal": False}).status is Status.FAILED


def test_on_output_leaves_out_nulls_and_does_not_touch_the_handlers_own_dict() -> None:
    from nulls import WithoutNulls

    kept = {"caption": "a cat", "score": None}

    def caption(job: Any) -> Any:
        return kept

    def stream(job: Any) -> Iterator[Any]:
        yield {"page": 1, "note": None}

    assert run_job(caption, plugins=[WithoutNulls]).output == {"caption": "a cat"}
    assert run_job(stream, plugins=[WithoutNulls]).chunks == [{"page": 1}]
    assert kept == {"caption": "a cat", "score": None}


def test_job_event_writes_a_line_for_each_output(tmp_path: Path) -> None:
    from ticker import Ticker, TickerSettings

    plugin = Ticker(TickerSettings(file=str(tmp_path / "ticker.jsonl")))
    for number, kind in enumerate(("start", "output", "output"), 1):
        event = JobEvent(kind=kind, attempt=1, number=number, body=b'{"output":%d}' % number)
        if (delivery := plugin.job_event(event)) is not None:
            assert plugin.deliver(delivery) == Receipt.delivered()

    assert (tmp_path / "ticker.jsonl").read_text() == '{"output":2}\n{"output":3}\n'


def test_post_job_asks_for_a_line_for_a_job_that_did_not_end_well(tmp_path: Path) -> None:
    from failures import Failures

    settings = {"failures": {"file": str(tmp_path / "failures.log")}}
    good = run_job(echo, 1, plugins=[Failures], settings=settings)
    bad = run_job(fail, plugins=[Failures], settings=settings)

    assert good.deliveries == []
    assert bad.deliver() == [Receipt.delivered()]
    assert (tmp_path / "failures.log").read_text().startswith("fail FAILED ")


def test_deliver_stores_the_status_object_once_however_often_it_comes(tmp_path: Path) -> None:
    from outbox import Outbox

    run = run_job(echo, 1, plugins=[Outbox], settings={"outbox": {"folder": str(tmp_path)}})
    receipts = [*run.deliver(), *run.deliver()]

    [stored] = tmp_path.iterdir()
    assert stored.read_bytes() == run.body
    assert receipts == [Receipt.delivered(f"stored as {stored.name}")] * 2


def test_deliver_tries_again_while_the_folder_is_missing_and_stops_when_it_is_a_file(tmp_path: Path) -> None:
    from outbox import Outbox

    missing, file = tmp_path / "missing", tmp_path / "file"
    file.touch()
    [later] = run_job(echo, plugins=[Outbox], settings={"outbox": {"folder": str(missing)}}).deliver()
    [never] = run_job(echo, plugins=[Outbox], settings={"outbox": {"folder": str(file)}}).deliver()

    assert later == Receipt.retry(f"the folder {missing} is not there", after=60)
    assert never == Receipt.stop(f"{file} is a file, not a folder")


def test_worker_start_refuses_a_worker_with_too_little_room(tmp_path: Path) -> None:
    from disk import Disk

    free = shutil.disk_usage(tmp_path).free
    settings = {"disk": {"path": str(tmp_path), "free": 1}}

    assert run_job(echo, 1, plugins=[Disk], settings=settings).output == 1
    with pytest.raises(PluginFailed, match=r"plugin 'disk' failed in worker_start.* bytes are free for echo"):
        run_job(echo, plugins=[Disk], settings={"disk": {"path": str(tmp_path), "free": free * 100}})


def test_worker_stop_closes_the_connection_that_jobs_shared() -> None:
    from database import Database, Databases

    seen = []

    def count(job: Any, database: Any) -> Any:
        seen.append(database.connection)
        return database.connection.execute("SELECT 40 + 2").fetchone()[0]

    count.__annotations__["database"] = Database

    assert run_job(count, plugins=[Databases]).output == 42
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        seen[0].execute("SELECT 1")


def test_open_queue_opens_its_own_scheme_and_leaves_others_alone() -> None:
    from scratch import Scratch

    hooks = Hooks([LoadedPlugin(name="scratch", plugin=Scratch())], Bridge())
    store: Any = store_of(Settings(queue=QueueSettings(url="scratch://jobs")), hooks, "me")

    assert store.path == Path(tempfile.gettempdir()).absolute() / "jobs.db"
    assert hooks.open_queue("elsewhere://jobs") is None
