"""Where a request becomes a job: the body is checked, its fields typed, plugins asked, secrets sealed."""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import Any

import attrs
import msgspec

from workerkit import hints
from workerkit.errors import ApiError, PluginFailed, Refused, WorkerkitError, nearest, suggest
from workerkit.failures import message_of, sendable
from workerkit.hooks import Hooks
from workerkit.host.reading import SAMPLE, Members, Reader, kind
from workerkit.host.sealing import NoKey, Sealer, SealError
from workerkit.job import EMPTY, Policy, Request
from workerkit.payload import convert_field
from workerkit.queue import Submission
from workerkit.queue.values import SYNC
from workerkit.settings import PolicySettings, Settings

DAY = 86_400_000
#: Milliseconds, least and most, of the times in a `policy`.
BOUNDS: Mapping[str, tuple[int, int]] = {"executionTimeout": (5_000, 7 * DAY), "ttl": (10_000, 7 * DAY)}
POLICY_KEYS = (*BOUNDS, "lowPriority")
IDEMPOTENCY_KEY_LENGTH = 255
#: Of what requests have that means nothing here: how much of one request is told, how much in all, and
#: characters of each. Senders choose the names, and may choose many.
TOLD_OF_ONE, TOLD, LONGEST_TOLD = 20, 100, 60

log = logging.getLogger(__name__)


@attrs.frozen
class Admission:
    """A request that may be stored, and what of its body means nothing here.

    That is keys which no plugin declares, and members that a field does not have: `s3Config.colour`.
    """

    submission: Submission
    ignored: tuple[str, ...] = ()


class Intake:
    """Admits requests. One for a host; it keeps what it can prepare."""

    def __init__(self, hooks: Hooks, sealer: Sealer, settings: Settings) -> None:
        self._hooks = hooks
        self._sealer = sealer
        self._reader = Reader(settings.limits.depth)
        self._told: set[str] = set()
        #: By the function's own timeout, of which there are few.
        self._defaults: dict[int | None, Policy] = {None: _default_policy(settings.policy)}

    async def admit(
        self,
        endpoint: str,
        body: bytes,
        *,
        sync: bool,
        idempotency_key: str | None = None,
        default_timeout_ms: int | None = None,
    ) -> Admission:
        """Check a body of `/run` or `/runsync` and make it a submission with an id of its own.

        `default_timeout_ms` is the endpoint's execution timeout, for a request that names none. The
        submission holds the `input` as it was sent, byte for byte. Raises `ApiError`.
        """
        raw, values = self._reader.read(body)
        if "input" not in raw:
            raise _no_input(raw)
        policy = self._policy(values.get("policy"), default_timeout_ms)
        typed = self._typed(values)
        now = time.time_ns() // 1_000_000
        id = f"{SYNC if sync else ''}{ordered_uuid(now)}-u1"
        request = Request(
            id=id,
            endpoint=endpoint,
            raw_input=bytes(raw["input"]),
            policy=policy,
            submitted_at=now,
            fields=typed,
        )
        await self._accept(request)
        submission = Submission(
            id=id,
            endpoint=endpoint,
            input=request.raw_input,
            fields=self._public(raw, typed) if typed else None,
            sealed=self._sealed(id, raw, typed) if typed else EMPTY,
            policy=policy,
            idempotency=None if idempotency_key is None else idempotency(idempotency_key, body),
        )
        return Admission(submission, self._ignored(values, typed) if len(values) > 1 else ())

    def _policy(self, value: Any, timeout: int | None) -> Policy:
        default = self._defaults.get(timeout)
        if default is None:
            assert timeout is not None  # which was there from the start
            default = self._defaults[timeout] = attrs.evolve(self._defaults[None], execution_timeout=timeout)
        return default if value is None else read_policy(value, default)

    def _typed(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """The declared fields that the body holds, as their types; null counts as absent."""
        declared = self._hooks.fields
        present = [name for name in declared if values.get(name) is not None]
        if not present:
            return EMPTY
        try:
            return {name: convert_field(name, values[name], declared[name]) for name in present}
        except WorkerkitError as error:
            raise ApiError(400, "bad_field", str(error)) from None

    async def _accept(self, request: Request) -> None:
        try:
            await self._hooks.accept(request)
        except Refused as refusal:
            raise ApiError(400, "refused", sendable(message_of(refusal))) from None
        except PluginFailed as failure:
            raise ApiError(500, "plugin_failed", f"{failure}; nothing was stored") from failure

    def _public(self, raw: Members, typed: Mapping[str, Any]) -> bytes | None:
        public = {name: raw[name] for name in typed if not self._hooks.fields[name].secret}
        return msgspec.json.encode(public) if public else None

    def _sealed(self, id: str, raw: Members, typed: Mapping[str, Any]) -> Mapping[str, bytes]:
        secret = [name for name in typed if self._hooks.fields[name].secret]
        if not secret:
            return EMPTY
        try:
            return {name: self._sealer.seal(id, name, bytes(raw[name])) for name in secret}
        except NoKey as error:
            raise ApiError(400, "no_secret_key", str(error)) from error
        except SealError as error:
            raise ApiError(503, "cannot_seal", f"{', '.join(secret)} cannot be kept: {error}") from error

    def _ignored(self, values: Mapping[str, Any], typed: Mapping[str, Any]) -> tuple[str, ...]:
        declared = self._hooks.fields
        keys = tuple(key for key in values if key not in ("input", "policy") and key not in declared)
        members = [
            member
            for name in typed
            for member in islice(hints.unknown(declared[name].type, values[name], name), TOLD)
        ]
        known = (*declared, "input", "policy")
        for path, beside in islice(chain(((key, known) for key in keys), members), TOLD_OF_ONE):
            self._tell(path[:LONGEST_TOLD], beside)
        return (*keys, *(path for path, _ in members))

    def _tell(self, path: str, known: Sequence[str]) -> None:
        """Say once that this is ignored; it may be a slip for one of those that are known there."""
        if path in self._told or len(self._told) >= TOLD:
            return
        self._told.add(path)
        above, dot, name = path.rpartition(".")
        near = nearest(name, known)
        hint = f"; did you mean {above + dot + near!r}?" if near else ""
        log.info("ignored: no plugin declares %r%s", path, hint)


def ordered_uuid(now: int) -> str:
    """A UUID of version 7: the time in milliseconds, then 74 random bits.

    New ids are neighbours in the queue's index, so a batch of inserts touches few of its pages.
    """
    raw = bytearray(now.to_bytes(6, "big") + os.urandom(10))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def read_policy(value: Any, default: Policy) -> Policy:
    """The `policy` of a body over `default`; raises `ApiError` 400 that names the member."""
    if not isinstance(value, dict):
        raise _bad_policy(f"policy is {kind(value)}; it must be an object")
    for key in value:
        if key not in POLICY_KEYS:
            raise _bad_policy(f"policy.{key[:60]} is unknown{suggest(key, POLICY_KEYS)}")
    low = value.get("lowPriority")
    if low is not None and not isinstance(low, bool):
        raise _bad_policy(f"policy.lowPriority is {kind(low)}; it must be true or false")
    return Policy(
        execution_timeout=_milliseconds(value, "executionTimeout", default.execution_timeout),
        ttl=_milliseconds(value, "ttl", default.ttl),
        low_priority=default.low_priority if low is None else low,
    )


def _milliseconds(policy: Mapping[str, Any], name: str, default: int) -> int:
    value = policy.get(name)
    if value is None:
        return default
    if type(value) is not int:
        shown = value if isinstance(value, float) else kind(value)
        raise _bad_policy(f"policy.{name} is {shown}; it must be a whole number of milliseconds")
    least, most = BOUNDS[name]
    if not least <= value <= most:
        raise _bad_policy(
            f"policy.{name} is out of range; it must be from {least} ms ({least // 1000} s) to {most} ms (7 days)"
        )
    return value


def _default_policy(settings: PolicySettings) -> Policy:
    return Policy(
        execution_timeout=int(settings.execution_timeout * 1000),
        ttl=int(settings.ttl * 1000),
    )


def _bad_policy(sentence: str) -> ApiError:
    return ApiError(400, "bad_policy", sentence)


def _no_input(raw: Members) -> ApiError:
    keys = ", ".join(key[:40] for key in list(raw)[:5]) or "none"
    return ApiError(
        400, "bad_input", f'the body has no "input" (its keys: {keys}); put what the job gets there: {SAMPLE}'
    )


def idempotency(key: str, body: bytes) -> tuple[str, bytes]:
    """A checked `Idempotency-Key` and the digest of the body that it came with."""
    if not 0 < len(key) <= IDEMPOTENCY_KEY_LENGTH or not (key.isascii() and key.isprintable()):
        raise ApiError(
            400,
            "bad_idempotency_key",
            f"the Idempotency-Key header must be 1 to {IDEMPOTENCY_KEY_LENGTH} printable ASCII characters",
        )
    return key, hashlib.sha256(body).digest()
