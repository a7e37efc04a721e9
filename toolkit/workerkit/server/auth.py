"""Who may ask for what: API keys with roles, or, without keys, callers on this machine only."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import attrs

from workerkit.errors import ApiError, SettingsError
from workerkit.settings import KeySettings

if TYPE_CHECKING:
    from starlette.types import Scope

CLIENT, WORKER, OPERATOR = ROLES = ("client", "worker", "operator")
LOCAL_NAMES = frozenset({b"localhost", b"127.0.0.1", b"[::1]"})


@attrs.frozen
class Caller:
    """The owner of a key. An empty `endpoints` means all of them."""

    name: str
    role: str
    endpoints: frozenset[str] = frozenset()


class Gate:
    """Lets a request through or raises `ApiError` 401 or 403 with a sentence.

    Without keys every caller on this machine may do everything, and a key that is sent is ignored:
    RunPod's clients always send one. Then `Host` must name this machine and `Origin` no web site,
    because any page in a browser on this machine could otherwise post jobs.
    """

    def __init__(self, keys: Mapping[str, KeySettings], operator_token: str | None) -> None:
        self._keys = [(_digest(name, key), _caller(name, key)) for name, key in keys.items()]
        if self._keys and operator_token is not None:
            token = sha256(operator_token.encode()).digest()
            self._keys.append((token, Caller("this machine's command line", OPERATOR)))

    def check(self, scope: Scope, headers: Mapping[bytes, bytes], role: str, endpoint: str = "") -> None:
        """Whether the request may do what `role` allows, on `endpoint`."""
        if len(headers) < len(scope["headers"]) and sum(name == b"host" for name, _ in scope["headers"]) > 1:
            raise ApiError(400, "bad_host", "the request has two Host headers; send one")
        if not self._keys:
            _check_local(scope, headers)
            return
        caller = self._caller(headers.get(b"authorization"))
        if caller.role not in (role, OPERATOR):
            raise ApiError(
                403,
                "wrong_role",
                f"the key {caller.name!r} has the role {caller.role!r}; this needs a key with the role {role!r}",
            )
        if endpoint and caller.endpoints and endpoint not in caller.endpoints:
            allowed = ", ".join(sorted(caller.endpoints))
            raise ApiError(
                403,
                "wrong_endpoint",
                f"the key {caller.name!r} is good for {allowed} only, not for {endpoint[:63]!r}",
            )

    def _caller(self, authorization: bytes | None) -> Caller:
        if not authorization:
            raise _unauthorized("no key was sent; send it as the header 'Authorization: Bearer KEY'")
        sent = sha256(_key(authorization)).digest()
        found = None
        for digest, caller in self._keys:  # all of them, so that time tells nothing
            if hmac.compare_digest(digest, sent):
                found = caller
        if found is None:
            raise _unauthorized("this key is not known here; make one with 'workerkit key new NAME'")
        return found


def _key(authorization: bytes) -> bytes:
    """The key itself: RunPod's clients send `Bearer KEY`, its worker SDK the bare key."""
    scheme, _, rest = authorization.partition(b" ")
    return rest.strip() if scheme.lower() == b"bearer" else authorization.strip()


def _unauthorized(sentence: str) -> ApiError:
    return ApiError(401, "unauthorized", sentence, {"WWW-Authenticate": "Bearer"})


def _digest(name: str, key: KeySettings) -> bytes:
    try:
        digest = bytes.fromhex(key.sha256)
    except ValueError:
        digest = b""
    if len(digest) != sha256().digest_size:
        raise SettingsError(
            f"[server.keys.{name}] sha256 must be 64 hexadecimal digits; "
            f"'workerkit key new {name}' prints a section to paste"
        )
    return digest


def _caller(name: str, key: KeySettings) -> Caller:
    if key.role not in ROLES:
        raise SettingsError(
            f"[server.keys.{name}] role is {key.role!r}; it must be one of {', '.join(ROLES)}"
        )
    return Caller(name, key.role, frozenset(key.endpoints))


def _check_local(scope: Scope, headers: Mapping[bytes, bytes]) -> None:
    client: Sequence[Any] | None = scope["client"]
    if client is None or not (client[0].startswith("127.") or client[0] in ("::1", "::ffff:127.0.0.1")):
        raise _not_local("this server has no keys and answers callers on its own machine only")
    if not _is_local(headers.get(b"host", b"")):
        raise _not_local(
            "this server has no keys, so the Host header must be localhost, 127.0.0.1 or [::1]; use that address"
        )
    origin = headers.get(b"origin")
    if origin is not None and not _is_local(origin.partition(b"://")[2]):
        raise _not_local("this server has no keys and takes no requests from web pages of other sites")


def _not_local(reason: str) -> ApiError:
    cure = "to let others in, make a key with 'workerkit key new NAME' and set it in [server.keys.NAME]"
    return ApiError(403, "not_local", f"{reason}; {cure}")


@lru_cache(64)
def _is_local(authority: bytes) -> bool:
    """Whether a host with or without a port names this machine."""
    name, _, port = authority.rpartition(b":")
    if not port.isdigit():
        name = authority
    return name.lower() in LOCAL_NAMES or (name.startswith(b"127.") and name.replace(b".", b"").isdigit())
