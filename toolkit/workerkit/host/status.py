"""The status object: the one form in which a job is shown, by `/status` and by webhooks alike."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from workerkit.job import Result
from workerkit.queue import Record, View
from workerkit.states import Status


class StatusObject(msgspec.Struct, omit_defaults=True, rename="camel"):
    """RunPod's keys, in RunPod's order; times are milliseconds."""

    delay_time: int | UnsetType = UNSET
    execution_time: int | UnsetType = UNSET
    id: str | UnsetType = UNSET
    status: str | UnsetType = UNSET
    worker_id: str | UnsetType = UNSET
    output: msgspec.Raw | UnsetType = UNSET
    error: str | UnsetType = UNSET
    retries: int | UnsetType = UNSET
    stream: list[dict[str, msgspec.Raw]] | UnsetType = UNSET


def ended_body(record: Record, result: Result) -> bytes:
    """The frozen bytes of a job that has ended."""
    return msgspec.json.encode(
        StatusObject(
            delay_time=UNSET if result.delay_time is None else result.delay_time,
            execution_time=UNSET if result.execution_time is None else result.execution_time,
            id=record.id,
            status=result.status,
            worker_id=UNSET if result.worker_id is None else result.worker_id,
            output=UNSET if result.output is None else msgspec.Raw(result.output),
            error=UNSET if result.error is None else result.error,
            retries=record.restarts or UNSET,
        )
    )


def body_of(view: View, now: int) -> bytes:
    """The bytes that `/status` answers, whatever the job's state."""
    return msgspec.json.encode(_open(view, now, view.progress)) if view.body is None else view.body


def running_body(record: Record, now: int, progress: bytes | None, chunks: list[bytes]) -> bytes:
    """What `/status` answers of a running job, and the chunks that are new, as `/stream` has them."""
    shown = _open(record, now, progress)
    if chunks:
        shown.stream = _items(chunks)
    return msgspec.json.encode(shown)


def _open(job: View | Record, now: int, progress: bytes | None) -> StatusObject:
    started = job.started_at if job.status is Status.IN_PROGRESS else None
    return StatusObject(
        delay_time=(started or now) - job.submitted_at,
        execution_time=UNSET if started is None else now - started,
        id=job.id,
        status=job.status.value,
        output=UNSET if progress is None else msgspec.Raw(progress),
    )


def brief(id: str, status: Status) -> bytes:
    """The short answer to `/run`, `/cancel` and `/retry`."""
    return msgspec.json.encode({"id": id, "status": status.value})


def stream_body(status: Status, chunks: list[bytes]) -> bytes:
    """The answer to `/stream`: what is new since the last one."""
    return msgspec.json.encode({"status": status.value, "stream": _items(chunks)})


def _items(chunks: list[bytes]) -> list[dict[str, msgspec.Raw]]:
    return [{"output": msgspec.Raw(chunk)} for chunk in chunks]


def joined(chunks: list[bytes]) -> bytes:
    """A JSON array of chunks that are JSON already."""
    return b"[" + b",".join(chunks) + b"]"


def lasting(seconds: float) -> str:
    """A length of time in the largest unit of which it is a whole number."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"
