"""Files from https and http URLs: checked at every hop, counted, and bounded in time."""

from __future__ import annotations

import re
import ssl
import string
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from http.client import HTTPException, HTTPResponse, IncompleteRead
from typing import IO
from urllib.parse import quote, urljoin

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from workerkit import JobFailed, __version__
from workerkit.guard import Blocked, Guard, Url, guarded, parse
from workerkit_plugins.files.budget import Budget
from workerkit_plugins.files.naming import shown

MOST_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Answers that may come before the last one.
MOST_HINTS = 20
#: Statuses that may be another one in a moment; others below 500 are for good.
PASSING = frozenset({408, 425, 429})
#: Seconds for a connection, and for what comes next on it.
CONNECT, READ = 10.0, 30.0
#: Bytes that are read at a time.
STEP = 256 * 1024
#: OpenSSL's numbers for certificates that are signed by themselves, or by nobody who is known here.
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)
#: A `Content-Length`, which may have come several times.
_LENGTH = re.compile(r"([0-9]{1,40})(?:, *\1)*")
#: Suffixes of files that servers call compressed on top of what they are.
_COMPRESSED = (".gz", ".tgz", ".svgz", ".br", ".zst", ".bz2", ".xz", ".z")


class Web:
    """Fetches what URLs lead to. Threads may share it.

    It has no cookies and no credentials, and goes through no proxy.
    """

    def __init__(self, guard: Guard) -> None:
        self._http = guarded(HTTPConnection, guard)
        self._https = guarded(HTTPSConnection, guard)

    def fetch(self, text: str, name: str, file: IO[bytes], budget: Budget) -> None:
        """Write what is at a URL into a file; `name` is what the file is called.

        Raises `JobFailed` for what will not be otherwise the next time, OSError for what may be, and
        what `budget` raises.
        """
        try:
            url = parse(text)
        except ValueError as error:
            raise JobFailed(f"its URL {error}") from None
        for _ in range(MOST_REDIRECTS + 1):
            with self._answer(url, budget) as response:
                location = response.headers.get("Location")
                if response.status not in REDIRECTS or not location:
                    return _save(response, name, file, budget)
                url = _redirected(url, location)
        raise JobFailed(f"it redirects more than {MOST_REDIRECTS} times")

    @contextmanager
    def _answer(self, url: Url, budget: Budget) -> Iterator[BaseHTTPResponse]:
        headers = {
            "Host": url.authority,
            "User-Agent": f"workerkit/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        try:
            with closing(self._connection(url, min(CONNECT, budget.left))) as connection:
                connection.connect()
                connection.timeout = READ
                with budget.waiting_on(connection.sock):
                    connection.request("GET", url.target, headers=headers, preload_content=False)
                    with closing(connection.getresponse()) as response:
                        yield response
        except Blocked as error:
            raise JobFailed(str(error)) from None
        except (OSError, HTTPError, HTTPException) as error:
            budget.check()  # which may have ended it
            cause = error.__cause__ if isinstance(error, HTTPError) and error.__cause__ else error
            if isinstance(cause, ssl.SSLCertVerificationError):
                raise JobFailed(_untrusted(cause)) from None
            raise OSError(_said(cause)) from None

    def _connection(self, url: Url, seconds: float) -> HTTPConnection:
        if url.scheme == "https":
            connection: HTTPConnection = self._https(
                url.host, url.port, timeout=seconds, ssl_context=self._tls
            )
        else:
            connection = self._http(url.host, url.port, timeout=seconds)
        connection.response_class = _Answer
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


class BadChunk(HTTPException):
    """A chunk says that it has less than no bytes. All that comes would be read at once, whatever it is."""


class _Answer(HTTPResponse):
    """The last one to a request: those before it, such as 103 Early Hints, are passed over.

    Its faulty headers are not logged: urllib3 would do that together with the URL's query.
    """

    def begin(self) -> None:
        super().begin()
        for _ in range(MOST_HINTS):
            if self.status >= 200:
                break
            self.headers = self.msg = None  # type: ignore[assignment]  # as before it began
            super().begin()
        self.msg.defects.clear()
        self.msg.set_payload("")

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise BadChunk
        return size


def _save(response: BaseHTTPResponse, name: str, file: IO[bytes], budget: Budget) -> None:
    _check(response, name)
    if (length := response.headers.get("Content-Length")) is not None:
        budget.expect(_size(length))
    while data := response.read(STEP, decode_content=False):
        file.write(data)
        budget.add(len(data))
    budget.check()  # whoever stopped it made it end


def _size(length: str) -> int:
    """The bytes that an answer says it has. Raises `JobFailed` when that is no number of bytes."""
    if found := _LENGTH.fullmatch(length):
        return int(found[1])
    raise JobFailed(f"the server says that it has {length[:20]!r} bytes, which is no number of bytes")


def _check(response: BaseHTTPResponse, name: str) -> None:
    """Raise when an answer is not the file, whole and as it is."""
    status = response.status
    if status != 200:
        said = f"the server answers {status} {(response.reason or '')[:60]}".rstrip()
        if status >= 500 or status in PASSING:
            raise OSError(said)
        cure = "; a URL that was signed may have expired" if status in (401, 403) else ""
        raise JobFailed(f"{said}{cure}")
    coding = response.headers.get("Content-Encoding", "identity").lower()
    if coding not in ("", "identity") and not name.lower().endswith(_COMPRESSED):
        raise JobFailed(
            f"the server sends it compressed ({coding[:20]}), though it was asked not to; store it as it is"
        )
    framing = response.headers.get("Transfer-Encoding", "chunked").lower()
    if framing != "chunked":
        raise JobFailed(
            f"the server sends it in the transfer encoding {framing[:20]!r}; chunked alone can be read"
        )


def _redirected(url: Url, location: str) -> Url:
    """Where a redirect leads. Raises `JobFailed` when nobody may go there."""
    # As it came: bytes, of which not all are ASCII everywhere.
    told = quote(location.strip(), safe=string.punctuation, encoding="latin-1")
    try:
        found = parse(urljoin(f"{url.scheme}://{url.authority}{url.target}", told))
    except ValueError as error:
        raise JobFailed(f"it redirects to {shown(told)}, which is no URL to go to: it {error}") from None
    if (url.scheme, found.scheme) == ("https", "http"):
        raise JobFailed(f"it redirects from https to {found.shown}, which anybody on the way could change")
    return found


def _untrusted(error: ssl.SSLCertVerificationError) -> str:
    said = f"its certificate is not valid: {error.verify_message.rstrip('.')}"
    if error.verify_code not in _UNKNOWN_ISSUER:
        return said
    return f"{said}; if you trust who issued it, start the server with SSL_CERT_FILE=ca.pem, a file with its certificate"


def _said(cause: BaseException) -> str:
    """What went wrong, without the URL, which urllib3 quotes."""
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed: {(cause.reason or 'unknown reason').replace('_', ' ').lower()}"
    if isinstance(cause, IncompleteRead):
        return "its answer ended before all of it had come"
    if isinstance(cause, TimeoutError):
        return "the server does not answer"
    if isinstance(cause, OSError):
        return cause.strerror or str(cause)
    return f"its answer is not HTTP/1.1 ({type(cause).__name__})"
