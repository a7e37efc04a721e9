"""A bucket is of its run and its process alone: afterwards and elsewhere nothing goes through it."""

from __future__ import annotations

import gc
import json
import os
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest

from s3_runs import Runs, run
from s3_servers import S3Service
from workerkit import Bucket
from workerkit_plugins.s3.bucket import NOTES

MIB = 1 << 20
OVER = "the bucket was closed when its job ended"


@pytest.fixture
def config(s3: S3Service, bucket_name: str) -> dict[str, str]:
    return s3.config(bucket_name)


# s3fs has its connections closed by the collector, and not all of them.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_file_system_of_fsspec_ends_with_its_job_and_leaves_no_upload_open(
    s3: S3Service, config: dict[str, str], bucket_name: str
) -> None:
    def handler(bucket: Bucket) -> object:
        files = bucket.fsspec()
        files.pipe(f"{bucket_name}/whole", b"x")
        half = files.open(f"{bucket_name}/half", "wb", block_size=5 * MIB)
        half.write(bytes(12 * MIB))
        assert list(s3.uploads(bucket_name).values()) == ["half"]
        return files, half

    files, half = run(config, handler)

    assert s3.uploads(bucket_name) == {}
    with pytest.raises(RuntimeError, match=OVER):
        files.cat(f"{bucket_name}/whole")
    with pytest.raises(RuntimeError, match=OVER):
        files.pipe(f"{bucket_name}/late", b"x")
    with pytest.raises(RuntimeError, match=OVER):
        half.close()
    assert s3.objects(bucket_name) == {"whole": b"x"}
    del files, half
    gc.collect()


def test_a_url_is_not_signed_any_more_when_the_job_has_ended(s3: S3Service, config: dict[str, str]) -> None:
    public = f"http://localhost:{s3.port}"
    for more in ({}, {"publicEndpointUrl": public}):
        kept: list[Bucket] = []

        def handler(bucket: Bucket, kept: list[Bucket] = kept) -> str:
            kept.append(bucket)
            return bucket.presign("k")

        run({**config, **more}, handler)
        with pytest.raises(RuntimeError, match=OVER):
            kept[0].presign("k")


def test_a_file_that_was_read_is_not_kept_until_the_job_ends(config: dict[str, str]) -> None:
    def handler(bucket: Bucket) -> bool:
        bucket.upload(b"read", "k")
        with bucket.open("k") as file:
            assert file.read() == b"read"
        gone = weakref.ref(file)
        del file
        gc.collect()
        return gone() is None

    assert run(config, handler)


def test_a_forked_process_cannot_use_the_bucket(
    s3: S3Service, config: dict[str, str], bucket_name: str
) -> None:
    def handler(bucket: Bucket) -> list[str]:
        client = bucket.client()
        acts: list[Callable[[], object]] = [
            lambda: bucket.upload(b"by the child", "k"),
            lambda: bucket.presign("k"),
            lambda: client.put_object(Bucket=bucket_name, Key="k", Body=b""),
        ]
        return _said_by_a_child(acts)

    said = run(config, handler)

    assert [text.partition(",")[0] for text in said] == ["the bucket cannot be used in a forked process"] * 3
    assert s3.objects(bucket_name) == {}


@pytest.mark.parametrize("note", ["[]", "{}", "not JSON", '{"bucket": 1, "key": "k", "at": 1}', None])
def test_notes_that_say_nothing_do_not_fail_the_next_run(
    config: dict[str, str], tmp_path: Path, note: str | None
) -> None:
    def handler(bucket: Bucket) -> str:
        assert runs.job is not None
        (notes := runs.job.shared_directory / NOTES).mkdir()
        if note is None:
            (notes / "a-folder").mkdir()
        else:
            (notes / "a-note").write_text(note)
        return "ran"

    runs = Runs(config, tmp_path / "scratch")

    assert runs.run(handler) == "ran"
    assert runs.run(lambda bucket: "ran again", attempt=2) == "ran again"


def test_a_later_run_makes_no_folder_to_look_for_notes(config: dict[str, str], tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    assert Runs(config, scratch).run(lambda bucket: scratch.exists(), attempt=2) is False


def test_a_run_that_cannot_look_for_notes_goes_on(config: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "scratch").write_text("a file, where the folders of jobs would be")

    assert Runs(config, tmp_path / "scratch").run(lambda bucket: "ran", attempt=2) == "ran"


def _said_by_a_child(acts: list[Callable[[], object]]) -> list[str]:
    """What a copy of this process is told by what it does."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            said = []
            for act in acts:
                try:
                    said.append(f"no error, but {act()}")
                except Exception as exc:
                    said.append(str(exc))
            os.write(writing, json.dumps(said).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        text = pipe.read()
    os.waitpid(pid, 0)
    return list(json.loads(text))
