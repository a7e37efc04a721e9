"""Rows to values: the order of columns is that of `statements.sql`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from workerkit.delivery import Delivery, shown
from workerkit.job import EMPTY, Policy
from workerkit.queue import DeliveryFilter, DeliveryLine, DeliveryState, EndLine, JobLine, Record, Tried, View
from workerkit.states import Status

#: A status is stored as its place in the enumeration; counters stand in the same order.
STATUSES = tuple(Status)
STATUS_CODE = {status: code for code, status in enumerate(STATUSES)}
STATES = tuple(DeliveryState)
STATE_CODE = {state: code for code, state in enumerate(STATES)}

Row = tuple[Any, ...]


def record(row: Row, sealed: Mapping[str, bytes] = EMPTY) -> Record:
    """A `{record}` row."""
    (
        _,
        id,
        endpoint,
        status,
        attempt,
        input,
        fields,
        timeout,
        ttl,
        low,
        *times,
        crashes,
        failures,
        returns,
        secrets,
    ) = row
    submitted_at, started_at, due_at = times
    return Record(
        id=id,
        endpoint=endpoint,
        status=STATUSES[status],
        attempt=attempt,
        input=input,
        fields=fields,
        sealed=sealed,
        policy=Policy(execution_timeout=timeout, ttl=ttl, low_priority=bool(low)),
        submitted_at=submitted_at,
        started_at=started_at,
        expires_at=due_at,
        crashes=crashes,
        failures=failures,
        returns=returns,
        wiped=len(sealed) < secrets,
    )


def view(row: Row) -> View:
    """A row of `view`."""
    id, endpoint, status, *rest = row
    return View(id, endpoint, STATUSES[status], *rest)


def job_line(row: Row) -> JobLine:
    """A row of `jobs`."""
    seq, id, endpoint, status, *rest = row
    return JobLine(seq, id, endpoint, STATUSES[status], *rest)


def end_line(row: Row) -> EndLine:
    """A row of `ends`."""
    seq, id, attempt, status, finished_at, body = row
    return EndLine(seq, id, attempt, STATUSES[status], finished_at, body)


def delivery_line(row: Row) -> DeliveryLine:
    """A `{delivery}` row."""
    seq, id, job, endpoint, plugin, target, state, number, attempts, *times, detail = row
    next_at, created_at, updated_at = times
    return DeliveryLine(
        seq=seq,
        id=id,
        job=job,
        endpoint=endpoint,
        plugin=plugin,
        target=shown(target),
        state=STATES[state],
        number=number,
        attempts=attempts,
        next_at=next_at,
        created_at=created_at,
        updated_at=updated_at,
        detail=detail,
    )


def delivery(row: Row) -> Delivery:
    """A row of `claim_deliveries`."""
    _, id, job, endpoint, job_attempt, plugin, maker, target, *rest = row
    headers, body, lane, number, attempts, delays, expires_at = rest
    return Delivery(
        target=target,
        body=body,
        headers=msgspec.json.decode(headers, type=dict[str, str]),
        attempts=attempts,
        delays=msgspec.json.decode(delays, type=tuple[float, ...]),
        lane=lane,
        plugin=plugin,
        maker=maker,
        id=id,
        job=job,
        endpoint=endpoint,
        job_attempt=job_attempt,
        number=number,
        expires_at=expires_at,
    )


def tried(row: Row) -> Tried:
    """A row of `tries`."""
    number, at, took, outcome, detail, status, address, answer = row
    return Tried(
        number=number,
        at=at,
        took=took,
        outcome=outcome,
        detail=detail,
        status=status,
        address=address,
        answer=answer,
    )


def filter_values(chosen: DeliveryFilter) -> Row:
    """The parameters of `{filter}`."""
    state = None if chosen.state is None else STATE_CODE[chosen.state]
    return (state, chosen.endpoint, chosen.plugin, chosen.lane, chosen.since, chosen.until)
