from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from workerkit.errors import SettingsError
from workerkit.host.sealing import NoKey, Sealer, SealError, new_key
from workerkit.secret import Secret
from workerkit.settings import QueueSettings

OLD, NEW = os.urandom(32), os.urandom(32)


def test_what_was_sealed_opens_for_the_same_job_and_field_only() -> None:
    sealer = Sealer([NEW])
    sealed = sealer.seal("job", "s3Config", b"open sesame")

    assert b"sesame" not in sealed
    assert sealer.open("job", "s3Config", sealed) == b"open sesame"
    assert sealer.seal("job", "s3Config", b"open sesame") != sealed
    for job, field in (("other", "s3Config"), ("job", "other")):
        with pytest.raises(SealError, match="altered"):
            sealer.open(job, field, sealed)
    with pytest.raises(SealError, match="altered"):
        sealer.open("job", "s3Config", sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(SealError, match="another version"):
        sealer.open("job", "s3Config", b"\x02" + sealed[1:])


def test_the_first_key_seals_and_every_key_opens() -> None:
    sealed = Sealer([OLD]).seal("j", "f", b"x")

    assert Sealer([NEW, OLD]).open("j", "f", sealed) == b"x"
    with pytest.raises(SealError, match="the key that sealed field 'f' of job j is gone"):
        Sealer([NEW]).open("j", "f", sealed)
    with pytest.raises(SealError, match="is gone"):
        Sealer([OLD]).open("j", "f", Sealer([NEW, OLD]).seal("j", "f", b"x"))


def test_a_queue_file_gets_a_private_key_file_when_something_is_first_sealed(tmp_path: Path) -> None:
    database = tmp_path / "queue.db"
    key_file = tmp_path / "queue.db.key"
    sealer = Sealer.from_settings(QueueSettings(), database)
    assert not key_file.exists()

    sealed = sealer.seal("j", "f", b"x")

    assert key_file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["queue.db.key"]
    assert Sealer.from_settings(QueueSettings(), database).open("j", "f", sealed) == b"x"
    key_file.unlink()
    with pytest.raises(SealError, match="is gone"):
        Sealer.from_settings(QueueSettings(), database).open("j", "f", sealed)


@pytest.mark.parametrize("moment", ["flock", "write", "fsync"])
def test_who_is_killed_while_the_key_is_made_leaves_no_other_file_and_no_half_key(
    tmp_path: Path, moment: str
) -> None:
    database = tmp_path / "queue.db"
    died = subprocess.run([sys.executable, "-c", KILLED, str(database), moment])
    assert died.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == ["queue.db.key"]

    sealed = Sealer.from_settings(QueueSettings(), database).seal("j", "f", b"x")

    assert Sealer.from_settings(QueueSettings(), database).open("j", "f", sealed) == b"x"
    assert [path.name for path in tmp_path.iterdir()] == ["queue.db.key"]


KILLED = """
import os, signal, sys
from workerkit.host.sealing import Sealer
from workerkit.settings import QueueSettings

def kill(frame, event, called):
    if event == "c_call" and called.__name__ == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

sealer = Sealer.from_settings(QueueSettings(), sys.argv[1])
sys.setprofile(kill)
sealer.seal("j", "f", b"x")
"""


def test_all_who_begin_at_once_have_one_key(tmp_path: Path) -> None:
    sealers = [Sealer.from_settings(QueueSettings(), tmp_path / "queue.db") for _ in range(16)]
    with ThreadPoolExecutor(len(sealers)) as threads:
        sealed = list(threads.map(lambda sealer: sealer.seal("j", "f", b"x"), sealers))

    assert {sealers[0].open("j", "f", each) for each in sealed} == {b"x"}


def test_a_key_file_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    key_file = tmp_path / "queue.db.key"
    key_file.write_bytes(base64.b64encode(OLD))
    key_file.chmod(0o644)

    with pytest.raises(SealError, match="others may read it; run: chmod 600"):
        Sealer.from_settings(QueueSettings(), tmp_path / "queue.db").seal("j", "f", b"x")


def test_a_key_from_the_settings_goes_before_the_file_which_still_opens(tmp_path: Path) -> None:
    database = tmp_path / "queue.db"
    by_file = Sealer.from_settings(QueueSettings(), database).seal("j", "f", b"x")
    queue = QueueSettings(secret_key=Secret(base64.b64encode(NEW).decode()))
    sealer = Sealer.from_settings(queue, database)

    assert sealer.open("j", "f", by_file) == b"x"
    assert Sealer([NEW]).open("j", "f", sealer.seal("j", "f", b"y")) == b"y"


def test_without_a_file_and_a_key_sealing_says_what_to_set() -> None:
    with pytest.raises(
        NoKey, match=r"'s3Config' is secret.* set WORKERKIT_SECRET_KEY to .*`workerkit secret-key`"
    ):
        Sealer.from_settings(QueueSettings(), None).seal("j", "s3Config", b"x")


def test_a_new_key_is_one_that_the_settings_take() -> None:
    keys = {new_key() for _ in range(20)}

    assert len(keys) == 20
    sealer = Sealer.from_settings(QueueSettings(secret_key=Secret(",".join(keys))), None)
    assert sealer.open("j", "f", sealer.seal("j", "f", b"x")) == b"x"


@pytest.mark.parametrize("key", ["", "short", "not base64!", base64.b64encode(b"x" * 31).decode()])
def test_a_malformed_key_is_refused_without_being_shown(key: str) -> None:
    good = base64.b64encode(OLD).decode()
    with pytest.raises(SettingsError, match="key 2 is not 32 bytes in base64") as caught:
        Sealer.from_settings(QueueSettings(secret_key=Secret(f"{good},{key}")), None)
    assert good not in str(caught.value)
