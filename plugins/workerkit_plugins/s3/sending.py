"""How a client's requests are sent: to addresses that a guard passed, past every proxy, without a long wait.

boto3 offers the event `before-send`, whose answer stands for its own sending; so no request, and none that
follows a bucket into another region, goes another way. This module imports boto3's parts, which takes a while:
import it where a client is made.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any
from urllib.parse import urlsplit

import urllib3
from botocore.awsrequest import AWSHTTPConnection, AWSHTTPSConnection, AWSResponse
from botocore.exceptions import BotoCoreError, HTTPClientError
from botocore.httpsession import where
from urllib3 import exceptions as failures

from workerkit.guard import Guard, guarded, parse
from workerkit_plugins.s3.connections import OpenSockets, cuttable
from workerkit_plugins.s3.endpoint import Endpoint
from workerkit_plugins.s3.patience import CONNECT, FOUND_WITHIN, QUICK, READ, Finding, Patience

#: Is tried once: what could not be aborted is tried again at the end of the run.
_ONCE = ".AbortMultipartUpload"
#: Bytes of an answer that is no object; a list of a thousand keys has one or two million.
MOST_READ = 32_000_000
#: Statuses that lead elsewhere. boto3 follows none, but to a bucket's region.
_REDIRECTS = (301, 302, 303, 307, 308)
_NOT_OK, _SERVERS_FAULT = 300, 500
#: Codes of OpenSSL for a certificate of an issuer that nobody has vouched for.
_UNKNOWN_ISSUER = (2, 18, 19, 20, 21)
#: Reasons of OpenSSL for an answer that is no TLS.
_PLAIN = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
_OWN_ISSUER = (
    "; if its issuer is your own, start workerkit with SSL_CERT_FILE=ca.pem, the issuer's certificate"
)
_BLOCK = 128 * 1024


class Unanswered(HTTPClientError):
    """The endpoint gave no answer, and may give one the next time; boto3 tries again. Its text is a sentence."""

    fmt = "{sentence}"


class Unusable(BotoCoreError):
    """The endpoint is none, or none that answers; trying again would not help. Its text is a sentence."""

    fmt = "{sentence}"


class Untrusted(Unusable):
    """The endpoint has no TLS that could be trusted, today and at the next try. Its text is a sentence."""


class Shrunk(BotoCoreError):
    """What is sent has fewer bytes than its head tells, for which the endpoint would wait."""

    fmt = "what is uploaded became shorter while it was sent"


def trusted() -> ssl.SSLContext:
    """TLS 1.2 or newer, with the certificates that this machine trusts and those that boto3 does."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(where())  # a slim image trusts none of its own
    return context


class Sender:
    """Sends the requests of one client. Threads may share it; call `close` at the end.

    Until the endpoint is known to work, nobody waits for it for longer than `finding` has time.
    """

    def __init__(
        self, endpoint: Endpoint, guard: Guard, context: ssl.SSLContext, connections: int, finding: Finding
    ) -> None:
        self._shown = endpoint.shown
        self._is_tls = endpoint.url.scheme == "https"
        self._finding = finding
        #: Whether the endpoint is known to work.
        self.is_proven = False
        self._ends: float | None = None
        self._sockets = OpenSockets()
        self._pools = urllib3.PoolManager(maxsize=connections, blocksize=_BLOCK, ssl_context=context)
        self._pools.pool_classes_by_scheme = {
            "http": self._pool(urllib3.HTTPConnectionPool, guarded(AWSHTTPConnection, guard)),
            "https": self._pool(urllib3.HTTPSConnectionPool, guarded(AWSHTTPSConnection, guard)),
        }

    def __call__(self, request: Any, event_name: str, **event: Any) -> AWSResponse:
        """boto3's event `before-send`: the response to a request.

        Raises `Blocked` for an address that may not be reached, `Unanswered` and `Unusable`.
        """
        patience = self._patience(event_name)
        if self._sockets.is_cut:  # boto3 tries again what was cut
            raise Unusable(sentence=f"the connection to {self._shown} was closed")
        if not self.is_proven and self._finding.is_over:
            raise Unusable(sentence=f"{self._shown} gave no useful answer within {FOUND_WITHIN:g} s")
        try:
            response = self._exchange(request, patience)
        except failures.HTTPError as exc:
            raise self._failed(exc, patience) from exc
        if response.status_code >= _SERVERS_FAULT and not self._may_retry(patience):
            raise Unusable(sentence=f"{self._shown} answered {response.status_code}")
        self._refuse_elsewhere(response)
        return response

    def end_within(self, seconds: float) -> None:
        """From now on nothing is tried again, and all together may take so many seconds."""
        self._ends = time.monotonic() + seconds

    def close(self) -> None:
        """Close all connections, those in the midst of something too; nothing is sent any more."""
        self._sockets.cut()
        self._pools.clear()

    def _patience(self, event_name: str) -> Patience:
        if self._ends is not None:
            return Patience.till(self._ends, READ, may_retry=False)
        if event_name.endswith(_ONCE):
            return Patience(CONNECT, QUICK, may_retry=False)
        return Patience(CONNECT, READ) if self.is_proven else self._finding.patience

    def _may_retry(self, patience: Patience) -> bool:
        return patience.may_retry and (self.is_proven or self._finding.may_retry)

    def _exchange(self, request: Any, patience: Patience) -> AWSResponse:
        path, query = urlsplit(request.url)[2:4]
        got = self._pools.connection_from_url(request.url).urlopen(
            request.method,
            f"{path or '/'}?{query}" if query else path or "/",
            body=_Told.of(request),
            headers=request.headers,
            retries=False,
            redirect=False,
            timeout=urllib3.Timeout(connect=patience.connect, read=patience.read),
            preload_content=False,
            decode_content=False,
            chunked=request.headers.get("Transfer-Encoding", b"").lower() == b"chunked",
            enforce_content_length=False,
        )
        is_stream = request.stream_output and got.status < _NOT_OK
        raw: Any = got if is_stream else _Whole(self._read(got, patience))
        headers: Any = got.headers
        return AWSResponse(request.url, got.status, headers, raw)

    def _read(self, got: Any, patience: Patience) -> bytes:
        """All that is no object's content; no peer makes it last, or fill the memory."""
        seconds, data = patience.rest, bytearray()
        try:
            # Most answers to uploads are empty, and nobody waits for those.
            with nullcontext() if got.length_remaining == 0 else got.cutting(seconds):
                while part := got.read1(_BLOCK, decode_content=False):
                    data += part
                    if len(data) > MOST_READ:
                        raise Unusable(sentence=f"{self._shown} answered with more than {MOST_READ:,} bytes")
        except BaseException as exc:
            got.close()
            if isinstance(exc, TimeoutError):
                said = f"did not end its answer within {seconds:.2g} s"
                raise self._unanswered(said, patience) from None
            raise
        got.release_conn()
        return bytes(data)

    def _failed(self, error: failures.HTTPError, patience: Patience) -> Exception:
        if isinstance(error, failures.SSLError):
            return self._without_tls(error.args[0])
        return self._unanswered(self._said(error, patience), patience)

    def _without_tls(self, error: Any) -> Exception:
        if isinstance(error, ssl.SSLCertVerificationError):
            cure = _OWN_ISSUER if error.verify_code in _UNKNOWN_ISSUER else ""
            said = f"cannot be trusted: {error.verify_message.rstrip('.')}{cure}"
            return Untrusted(sentence=f"{self._shown} {said}")
        if isinstance(error, ssl.SSLError) and error.reason in _PLAIN:
            return Untrusted(
                sentence=f"{self._shown} does not speak TLS; write http:// if it is meant to be plain"
            )
        return Unusable(sentence=f"{self._shown} did not agree on TLS: {error}")

    def _unanswered(self, said: str, patience: Patience) -> Exception:
        kind = Unanswered if self._may_retry(patience) else Unusable
        return kind(sentence=f"{self._shown} {said}")

    def _said(self, error: failures.HTTPError, patience: Patience) -> str:
        match error:
            case failures.NewConnectionError():
                return f"cannot be reached: {str(error).partition(': ')[2]}"
            case failures.ConnectTimeoutError():
                return f"cannot be reached: not connected within {patience.connect:.2g} s"
            case failures.ReadTimeoutError() if "handshake" in str(error.__cause__):
                return f"shook no hands in TLS within {patience.connect:.2g} s; if it speaks plain HTTP, write http://"
            case failures.ReadTimeoutError():
                return f"did not answer within {patience.read:.2g} s"
        cure = "" if self._is_tls else "; if it speaks TLS, write https://"
        return f"closed the connection without an answer{cure}"

    def _pool(
        self, kind: type[urllib3.HTTPConnectionPool], connection: type[Any]
    ) -> type[urllib3.HTTPConnectionPool]:
        """A kind of pool whose connections are of this kind."""
        return type(
            f"Guarded{kind.__name__}", (kind,), {"ConnectionCls": cuttable(connection, self._sockets)}
        )

    def _refuse_elsewhere(self, response: AWSResponse) -> None:
        """Raise for a redirect that is not to a bucket's region: boto3 would ask again and again where to."""
        if response.status_code not in _REDIRECTS or "x-amz-bucket-region" in response.headers:
            return
        if b"<Region>" in response.content:
            return
        try:
            to = parse(response.headers.get("Location", ""))
            where_to = f"to {to.scheme}://{to.authority}; if that is the service, write it as endpointUrl"
        except ValueError:
            where_to = "elsewhere; write the service's own URL as endpointUrl"
        raise Unusable(sentence=f"{self._shown} redirects {where_to}")


class _Told:
    """A request's body, of which as many bytes are sent as its head tells: a file may change meanwhile."""

    def __init__(self, file: Any, size: int) -> None:
        self._file = file
        self._left = size

    @classmethod
    def of(cls, request: Any) -> Any:
        """The body as it is sent."""
        length = request.headers.get("Content-Length")
        return (
            request.body
            if length is None or not hasattr(request.body, "read")
            else cls(request.body, int(length))
        )

    def read(self, size: int) -> bytes:
        """So many bytes; fewer only at the end. Raises `Shrunk`."""
        data: bytes = self._file.read(min(size, self._left))
        if self._left and not data:
            raise Shrunk
        self._left -= len(data)
        return data


class _Whole:
    """An answer's body that has been read."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self) -> Iterator[bytes]:
        """As boto3 reads it."""
        yield self._data
