"""Jobs that fetch files, and servers on loopback that have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from receivers import Behaviour, Talk
from workerkit import InputFile, InputFiles, Job
from workerkit.testing import JobRun, run_job

Page = bytes | Callable[[Talk], object]


def ok(body: bytes, *headers: str) -> bytes:
    """A whole answer with a file."""
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""])
    return head.encode() + body


def moved(to: str, status: str = "302 Found") -> bytes:
    """A redirect."""
    return f"HTTP/1.1 {status}\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode("latin-1")


def site(pages: Mapping[str, Page]) -> Behaviour:
    """Answers by path and query, or else by path; what it does not have is 404."""

    def behave(talk: Talk) -> None:
        request = talk.read().decode("latin-1")
        if not request:
            return
        target = request.split(" ")[1]
        page = pages.get(target, pages.get(target.partition("?")[0], b"HTTP/1.1 404 Not Found\r\n\r\n"))
        if callable(page):
            page(talk)
        else:
            talk.sock.sendall(page)

    return behave


def fetched(
    *urls: str,
    fields: Mapping[str, Any] | None = None,
    bucket: Mapping[str, Any] | None = None,
    **settings: Any,
) -> JobRun:
    """A job that fetches these files; its output is name and text of each, in order. `bucket` is the operator's."""

    def handler(job: Job) -> Any:
        files = [InputFile(url) for url in urls]
        try:
            job.use(InputFiles).fetch(files)
        finally:
            job.note("left", sorted(path.name for path in job.directory.iterdir()))
        return [told(job, file.path) for file in files]

    return run_job(handler, fields=fields or {}, settings={"files": settings, "s3": {"bucket": bucket}})


def told(job: Job, path: Path) -> list[str]:
    assert path.parent == job.directory
    return [path.name, path.read_bytes().decode("latin-1")]


def refusal(url: str, **options: Any) -> str:
    """Why a file is not fetched, in a sentence for whoever sent the request; nothing is left of it."""
    run = fetched(url, **options)
    assert run.notes["left"] == []
    assert run.error is not None
    assert not run.error.startswith("{"), run
    return run.error


def failure(url: str, **options: Any) -> str:
    """Why a file was not fetched this time: the error of an exception, after which `retries` runs it again."""
    import json

    run = fetched(url, **options)
    assert run.notes["left"] == []
    assert run.error is not None
    told = json.loads(run.error)
    assert told["error_type"] == "<class 'ConnectionError'>"
    for secret in ("sig=", "token"):
        assert secret not in run.error
    return str(told["error_message"])
