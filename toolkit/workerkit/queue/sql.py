"""Named SQL statements: one text for every database, with tokens where dialects differ.

A statement begins with `-- name: …` and may say `-- takes: a, b`, the order in which its parameters
are given. In the text a parameter is `:a` and a token is `{a}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.resources import files

import attrs

from workerkit.errors import QueueError, suggest

NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
TAKES = re.compile(r"^-- takes: (.+)$", re.MULTILINE)
COMMENT = re.compile(r"--[^\n]*")
PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
TOKEN = re.compile(r"\{(\w+)\}")

#: Column lists that several statements share.
SHARED: Mapping[str, str] = {
    "record": "job.seq, job.id, job.endpoint, job.status, job.attempt, payload.input, payload.fields, "
    "job.execution_timeout, job.ttl, job.low_priority, job.submitted_at, job.started_at, job.due_at, "
    "job.crashes, job.failures, job.returns, job.sealed",
    "delivery": "seq, id, job_id, endpoint, plugin, target, state, number, attempts, next_at, created_at, "
    "updated_at, detail",
    # Deliveries by the id of their job, which may be gone.
    "of_job": "SELECT seq FROM delivery WHERE job = (SELECT seq FROM job WHERE id = :job) "
    "UNION ALL SELECT seq FROM delivery WHERE job IS NULL AND job_id = :job",
    # A filter of deliveries. Parameters that are NULL let everything pass.
    "filter": "(:state IS NULL OR state = :state) AND (:endpoint IS NULL OR endpoint = :endpoint) "
    "AND (:plugin IS NULL OR plugin = :plugin) AND (:lane IS NULL OR lane = :lane) "
    "AND (:since IS NULL OR created_at >= :since) AND (:until IS NULL OR created_at < :until)",
}


@attrs.frozen
class Dialect:
    """What one database calls the things that differ. `placeholder` writes parameter number n."""

    tokens: Mapping[str, str]
    placeholder: Callable[[int], str]

    def fill(self, text: str) -> str:
        """Replace each `{token}`."""
        known = {**SHARED, **self.tokens}

        def value(match: re.Match[str]) -> str:
            token = match[1]
            if token not in known:
                raise QueueError(f"the SQL token {token!r} is not known{suggest(token, known)}")
            return known[token]

        return TOKEN.sub(value, text)


SQLITE = Dialect(
    tokens={
        "now": ":now",
        "skip_locked": "",
        "blob": "BLOB",
        "double": "REAL",
        "serial": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "key": "INTEGER PRIMARY KEY",
        "by_key": " WITHOUT ROWID",
    },
    placeholder=lambda n: f"?{n}",
)


def parse(text: str, dialect: Dialect) -> dict[str, str]:
    """The statements of `text` by name, ready to be executed with their parameters in order."""
    parts = NAME.split(text)[1:]
    statements: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in statements:
            raise QueueError(f"the SQL statement {name!r} is defined twice")
        statements[name] = _statement(name, body, dialect)
    return statements


def _statement(name: str, body: str, dialect: Dialect) -> str:
    takes = TAKES.search(body)
    order = [word.strip() for word in takes[1].split(",")] if takes else []
    text = dialect.fill(COMMENT.sub("", body)).strip().rstrip(";")
    unused = set(order) - set(PARAMETER.findall(text))
    if unused:
        raise QueueError(f"the SQL statement {name!r} takes {', '.join(sorted(unused))} but does not use it")

    def number(match: re.Match[str]) -> str:
        if match[1] not in order:
            raise QueueError(f"the SQL statement {name!r} uses :{match[1]} but does not take it")
        return dialect.placeholder(order.index(match[1]) + 1)

    return PARAMETER.sub(number, text)


def load(file: str) -> str:
    """The text of a file beside this one."""
    return files(__package__).joinpath(file).read_text(encoding="utf-8")
