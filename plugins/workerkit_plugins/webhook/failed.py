"""Why a try brought no answer: in which kind of way, and as a sentence."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from http.client import IncompleteRead
from typing import Literal

import attrs

from workerkit.guard import Url
from workerkit_plugins.webhook.deadline import Deadline

Kind = Literal["timeout", "connect", "tls", "dns", "proxy", "reset", "protocol"]
#: Of a peer's words in a sentence.
_WORDS = 200


class PostFailed(Exception):
    """No complete answer came; the text says why, without the URL's query.

    `address` is the one that was tried last, empty before any was; `ms` is how long it took.
    """

    def __init__(self, sentence: str, kind: Kind, address: str = "", ms: int = 0) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.address = address
        self.ms = ms


@attrs.define
class Try:
    """One try: where to, by when, and the address that it has come to."""

    url: Url
    deadline: Deadline
    #: Takes out of the receiver's words what is to be shown to nobody. It is called before they are cut:
    #: half a secret is one, too.
    mask: Callable[[str], str] = str
    address: str = ""

    def failed(self, kind: Kind, why: str) -> PostFailed:
        """The error that ends it."""
        return self._error(f"no answer from {self.url.shown}: {why}", kind)

    def out_of_time(self, seconds: float) -> PostFailed:
        """The error that ends it when its `seconds` are over."""
        return self._error(f"no complete answer from {self.url.shown} within {seconds:g} s", "timeout")

    def _error(self, sentence: str, kind: Kind) -> PostFailed:
        return PostFailed(sentence, kind, self.address, self.deadline.ms)


def explained(exc: Exception, mask: Callable[[str], str] = str) -> tuple[Kind, str]:
    """What an error while sending or receiving means."""
    if isinstance(exc, TimeoutError):
        return "timeout", said(exc)
    if isinstance(exc, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "reset", "it closed the connection"
    if isinstance(exc, ssl.SSLError):
        return "tls", tls_said(exc)
    if isinstance(exc, IncompleteRead):
        return "reset", "its answer ended before all of it had come"
    if isinstance(exc, OSError):
        return "reset", said(exc)
    return "protocol", f"its answer is not HTTP/1.1: {said(exc, mask)}"


def tls_said(exc: ssl.SSLError) -> str:
    """What is wrong with a receiver's TLS."""
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {exc.verify_message}"
    reason = (exc.reason or "unknown reason").replace("_", " ").lower()
    return f"TLS failed ({reason}); does it speak TLS 1.2 or newer on this port?"


def said(exc: Exception, mask: Callable[[str], str] = str) -> str:
    """An error's own words."""
    words = (exc.strerror if isinstance(exc, OSError) else None) or str(exc) or type(exc).__name__
    return shown_text(mask(words.strip())[:_WORDS])


def shown_text(text: str) -> str:
    """What a peer wrote, in one line and safe to print."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else " " if char.isspace() else "\N{REPLACEMENT CHARACTER}"
        for char in text
    )
