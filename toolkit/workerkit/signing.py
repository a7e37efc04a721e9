"""Signatures of webhooks, as Standard Webhooks 1.0.0 has them: what a sender writes, a receiver checks.

A receiver checks the body as it came, before it parses it:

    from workerkit.signing import InvalidSignature, verify

    try:
        verify([secret], headers, body)
    except InvalidSignature as exc:
        ...  # answer 401
"""

from __future__ import annotations

import base64
import binascii
import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from workerkit.errors import WorkerkitError

if TYPE_CHECKING:
    from hmac import HMAC

__all__ = ["InvalidSignature", "Signer", "key_of", "new_secret", "sign", "verify"]

PREFIX = "whsec_"
ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"

#: A key shorter than the first can be guessed, and the standard allows none longer than the second.
_LEAST, _MOST = 24, 64
_NEW = 32
#: More digits than any time has, and few enough for `int`.
_DIGITS = 15


class InvalidSignature(WorkerkitError):
    """A webhook was not signed with one of the secrets, was changed on its way, or is too old."""


def new_secret() -> str:
    """Make a secret of 32 random bytes, for a sender and its receiver to share."""
    return PREFIX + base64.b64encode(os.urandom(_NEW)).decode()


def key_of(secret: str) -> bytes:
    """Return the bytes that `secret` stands for; raises ValueError when it is none.

    The error says what is wrong and never shows the secret.
    """
    if not secret.startswith(PREFIX):
        raise ValueError(f"a webhook secret begins with {PREFIX}; make one with `workerkit webhook secret`")
    text = secret.removeprefix(PREFIX).rstrip("=")
    try:
        # Some makers of secrets leave the padding out.
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"a webhook secret is base64 after {PREFIX}; was it copied whole?") from None
    if not _LEAST <= len(key) <= _MOST:
        raise ValueError(
            f"a webhook secret holds {_LEAST} to {_MOST} bytes, not {len(key)}; "
            "make one with `workerkit webhook secret`"
        )
    return key


def sign(secrets: Iterable[str], id: str, timestamp: int, body: bytes) -> str:
    """Make the value of the header `webhook-signature`: one signature for each secret.

    Give the new and the old secret while a receiver changes from one to the other. `id` and
    `timestamp` (whole Unix seconds of this try) go into `webhook-id` and `webhook-timestamp`.
    Raises ValueError for no or a bad secret, and for an `id` with a full stop, which could be taken
    for the one behind it.
    """
    return Signer(secrets).sign(id, timestamp, body)


class Signer:
    """Signs many webhooks with the same secrets, each as `sign` does; reads the secrets once.

    Threads may share it. Raises ValueError for no or a bad secret.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        import hmac  # here, as below: who only checks secrets, as settings do, needs no OpenSSL

        self._begun = [hmac.new(key, digestmod="sha256") for key in _keys(secrets)]

    def sign(self, id: str, timestamp: int, body: bytes) -> str:
        """Make the value of the header `webhook-signature`; raises ValueError for an `id` with a full stop."""
        if "." in id:
            raise ValueError(f"a webhook's id must not contain a full stop, and {id!r} does")
        return " ".join(self.signatures(id, str(timestamp), body))

    def signatures(self, id: str, timestamp: str, body: bytes) -> list[str]:
        """One signature for each secret."""
        message = f"{id}.{timestamp}.".encode(errors="replace") + body
        return [_signature(begun.copy(), message) for begun in self._begun]


def verify(
    secrets: Iterable[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    tolerance: float = 300,
    now: float | None = None,
) -> None:
    """Check that a webhook comes from one who has one of `secrets`, unchanged and lately.

    Raises `InvalidSignature` with a sentence when not, and ValueError for no or a bad secret. `body`
    is what came, byte for byte. `headers` may be in any case. `tolerance` is how many seconds its
    time may differ from `now` (default: the clock's). Remember each `webhook-id` for that long if a
    second delivery of the same webhook would do harm.
    """
    if not isinstance(body, bytes):
        raise TypeError("verify() takes the body as the bytes that came; check before parsing")
    signer = Signer(secrets)
    found = {name.lower(): value for name, value in headers.items()}
    for name in (ID, TIMESTAMP, SIGNATURE):
        if not found.get(name):
            raise InvalidSignature(
                f"the header {name} is missing; the sender has no secret, or a proxy dropped it"
            )
    _check_time(found[TIMESTAMP], tolerance, time.time() if now is None else now)
    if "." in found[ID]:
        raise InvalidSignature(f"the header {ID} contains a full stop, so what was signed is not certain")
    given = [entry.encode(errors="replace") for entry in found[SIGNATURE].split() if entry.startswith("v1,")]
    if not given:
        raise InvalidSignature(f"the header {SIGNATURE} holds no signature of version v1")
    wanted = [each.encode() for each in signer.signatures(found[ID], found[TIMESTAMP], body)]
    import hmac

    # All are compared, so that the time taken tells nobody which of them matched.
    if not sum(hmac.compare_digest(one, other) for one in wanted for other in given):
        raise InvalidSignature(
            "no signature matches; the sender has another secret, or the body was changed after signing"
        )


def _keys(secrets: Iterable[str]) -> list[bytes]:
    keys = [key_of(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise ValueError("signatures need at least one webhook secret")
    return keys


def _signature(begun: HMAC, message: bytes) -> str:
    begun.update(message)
    return f"v1,{base64.b64encode(begun.digest()).decode()}"


def _check_time(text: str, tolerance: float, now: float) -> None:
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise InvalidSignature(f"the header {TIMESTAMP} is not in whole Unix seconds")
    late = now - int(text)
    if abs(late) > tolerance:
        which = "old" if late > 0 else "in the future"
        raise InvalidSignature(
            f"the webhook is {abs(late):.0f} s {which} and {tolerance:g} s are allowed; "
            "check both clocks, or it was sent again by somebody else"
        )
