"""Secret fields at rest: AES-256-GCM, bound to the job and the field they belong to.

A record is: version (1 byte), key id (4 bytes, the start of the key's SHA-256), nonce (12), then
ciphertext and tag. The associated data is the job's id, a zero byte and the field's name.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workerkit.errors import SettingsError, WorkerkitError
from workerkit.settings import QueueSettings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"
_ID = slice(1, 5)
_NONCE = slice(5, 17)
_CIPHERTEXT = slice(17, None)
MAKE_A_KEY = "workerkit secret-key"


class SealError(WorkerkitError):
    """A secret field cannot be sealed or opened; the text says which key is missing."""


class NoKey(SealError):
    """Nobody has set a key, and there is no file beside which one could be made."""


def new_key() -> str:
    """A key for `WORKERKIT_SECRET_KEY`."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


class Sealer:
    """Seals with the first of `keys`, opens with any. Threads may share it.

    Without `keys` it uses the one in `key_file`, which it makes, mode 0600, when it first seals.
    """

    def __init__(self, keys: Sequence[bytes] = (), key_file: Path | None = None) -> None:
        self._file = key_file
        self._first = keys[0] if keys else None
        self._by_id = {_key_id(key): key for key in keys}

    @classmethod
    def from_settings(cls, queue: QueueSettings, db_path: str | Path | None) -> Sealer:
        """The sealer for a queue; `db_path` is its file, when it has one.

        Raises `SettingsError` for a malformed key.
        """
        keys = [] if queue.secret_key is None else _parse(queue.secret_key.reveal())
        return cls(keys, None if db_path is None else Path(f"{db_path}.key"))

    def seal(self, job_id: str, field: str, plaintext: bytes) -> bytes:
        """Encrypt one field; raises `NoKey` where there is none, `SealError` when it cannot be used."""
        key = self._first or self._from_file(create=True)
        if key is None:
            raise NoKey(
                f"field {field!r} is secret, and the server has no key to seal it; "
                f"set WORKERKIT_SECRET_KEY to the output of `{MAKE_A_KEY}`, and restart the server"
            )
        nonce = secrets.token_bytes(12)
        ciphertext = _cipher(key).encrypt(nonce, plaintext, _bound_to(job_id, field))
        return VERSION + _key_id(key) + nonce + ciphertext

    def open(self, job_id: str, field: str, sealed: bytes) -> bytes:
        """Decrypt one field; raises `SealError` when its key is gone or the record was altered."""
        from cryptography.exceptions import InvalidTag

        if sealed[:1] != VERSION:
            raise SealError(f"field {field!r} of job {job_id} was sealed by another version of workerkit")
        key_id = sealed[_ID]
        if key_id not in self._by_id:
            self._from_file(create=False)
        key = self._by_id.get(key_id)
        if key is None:
            raise SealError(
                f"the key that sealed field {field!r} of job {job_id} is gone; "
                "put it back, behind the present one and a comma, into WORKERKIT_SECRET_KEY"
            )
        try:
            return _cipher(key).decrypt(sealed[_NONCE], sealed[_CIPHERTEXT], _bound_to(job_id, field))
        except InvalidTag as exc:
            raise SealError(f"field {field!r} of job {job_id} was altered in the queue") from exc

    def _from_file(self, *, create: bool) -> bytes | None:
        if self._file is None or not (create or self._file.exists()):
            return None
        try:
            key = _read(self._file, create=create)
        except (OSError, SettingsError) as exc:
            raise SealError(f"the key file {str(self._file)!r} cannot be used: {exc}") from exc
        self._by_id[_key_id(key)] = key
        if create:
            self._first = key
        return key


def _read(path: Path, *, create: bool) -> bytes:
    """The key in a file, whose lock somebody holds who makes it: it is whole, or still empty."""
    if create:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDONLY | (os.O_CREAT if create else 0), 0o600)
    with open(descriptor, encoding="ascii") as file:
        if os.fstat(descriptor).st_mode & 0o077:
            raise SettingsError(f"others may read it; run: chmod 600 {path}")
        fcntl.flock(file, fcntl.LOCK_EX if create else fcntl.LOCK_SH)
        if create and not os.fstat(descriptor).st_size:
            _fill(path)
        return _parse(file.read())[0]


def _fill(path: Path) -> None:
    """Write a new key into an empty file. Who is killed meanwhile leaves nothing else, and no part of a key."""
    with path.open("r+b", buffering=0) as file:
        file.write(f"{new_key()}\n".encode())
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _parse(text: str) -> list[bytes]:
    keys = []
    for number, part in enumerate(text.split(","), 1):
        try:
            key = base64.b64decode(part.strip(), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != 32:
            raise SettingsError(
                f"queue.secret_key (WORKERKIT_SECRET_KEY): key {number} is not 32 bytes in base64; "
                f"make one with `{MAKE_A_KEY}`"
            )
        keys.append(key)
    return keys


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:4]


def _bound_to(job_id: str, field: str) -> bytes:
    return f"{job_id}\0{field}".encode()


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)
