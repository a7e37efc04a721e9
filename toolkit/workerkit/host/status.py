"""The status object: the one form in which a job is shown, by `/status` and by webhooks alike."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from workerkit.job import Result, Status
from workerkit.queue import Record, View


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


def ended_body(record: Record, result: Result) -> bytes:
    """The frozen bytes of a job that has ended."""
    return msgspec.json.encode(
        StatusObject(
            delay_time=_or_unset(result.delay_time),
            execution_time=_or_unset(result.execution_time),
            id=record.id,
            status=result.status.value,
            worker_id=_or_unset(result.worker_id),
            output=UNSET if result.output is None else msgspec.Raw(result.output),
            error=_or_unset(result.error),
            retries=record.restarts or UNSET,
        )
    )


def body_of(view: View, now: int) -> bytes:
    """The bytes that `/status` answers, whatever the job's state."""
    if view.body is not None:
        return view.body
    started = view.started_at if view.status is Status.IN_PROGRESS else None
    return msgspec.json.encode(
        StatusObject(
            delay_time=(started or now) - view.submitted_at,
            execution_time=UNSET if started is None else now - started,
            id=view.id,
            status=view.status.value,
            output=UNSET if view.progress is None else msgspec.Raw(view.progress),
        )
    )


def brief(id: str, status: Status) -> bytes:
    """The short answer to `/run`, `/cancel` and `/retry`."""
    return msgspec.json.encode({"id": id, "status": status.value})


def stream_body(status: Status, chunks: list[bytes]) -> bytes:
    """The answer to `/stream`: what is new since the last one."""
    stream = [{"output": msgspec.Raw(chunk)} for chunk in chunks]
    return msgspec.json.encode({"status": status.value, "stream": stream})


def joined(chunks: list[bytes]) -> bytes:
    """A JSON array of chunks that are JSON already."""
    return b"[" + b",".join(chunks) + b"]"


def lasting(seconds: float) -> str:
    """A length of time in the largest unit of which it is a whole number."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


def _or_unset(value: Any) -> Any | Literal[UnsetType.UNSET]:
    return UNSET if value is None else value
