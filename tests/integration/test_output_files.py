"""Files that a handler returns or yields are stored in the job's bucket, and their URLs come back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest
import urllib3
from PIL import Image

from workerkit import Bucket, Job, OutputFile, Status, hookimpl
from workerkit.testing import JobRun, S3Server, run_job
from workerkit_plugins.files.storing import OPEN


def returned(value: Any, bucket: S3Server | None = None, **settings: Any) -> JobRun:
    """A job that returns a value, or what a function makes of the job."""

    def handler(job: Job) -> Any:
        return value(job) if callable(value) else value

    fields = {} if bucket is None else {"s3Config": bucket.config()}
    return run_job(handler, fields=fields, settings={"files": settings})


def written(job: Job, name: str = "cat.txt", text: str = "meow") -> Path:
    path = job.directory / name
    path.write_text(text)
    return path


def closed(file: Any) -> Any:
    file.close()
    return file


class Piped(io.RawIOBase):
    """A file that cannot go back to its beginning."""


def get(url: str) -> tuple[bytes, str | None]:
    answer = urllib3.request("GET", url, retries=False)
    assert answer.status == 200, answer.data
    return answer.data, answer.headers.get("Content-Type")


def test_a_file_comes_back_as_a_url_that_anybody_can_read_for_seven_days(workerkit_bucket: S3Server) -> None:
    run = returned(lambda job: {"id": job.id, "file": written(job), "n": 1}, workerkit_bucket)

    url = run.output["file"]
    assert urlsplit(url).path == f"/{workerkit_bucket.bucket}/{run.output['id']}/1/cat.txt"
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["604800"]
    assert get(url)[0] == b"meow"
    assert run.output["n"] == 1
    assert list(workerkit_bucket.objects().values()) == [b"meow"]


def test_how_long_it_is_good_for_can_be_set(workerkit_bucket: S3Server) -> None:
    run = returned(written, workerkit_bucket, expires=60)
    assert parse_qs(urlsplit(run.output).query)["X-Amz-Expires"] == ["60"]


@pytest.mark.parametrize(("kind", "begin"), [("plain", "{url}/"), ("s3", "s3://")])
def test_other_urls_can_be_had(workerkit_bucket: S3Server, kind: str, begin: str) -> None:
    run = returned(lambda job: [job.id, written(job)], workerkit_bucket, url=kind)

    id, url = run.output
    assert url == f"{begin.format(url=workerkit_bucket.url)}{workerkit_bucket.bucket}/{id}/1/cat.txt"
    assert workerkit_bucket.objects() == {f"{id}/1/cat.txt": b"meow"}


def test_every_chunk_of_a_generator_is_looked_through(workerkit_bucket: S3Server) -> None:
    def handler(job: Job) -> Iterator[Any]:
        yield {"step": written(job, "1.txt", "one")}
        yield "plain"
        yield [written(job, "2.txt", "two")]

    run = run_job(handler, fields={"s3Config": workerkit_bucket.config()})

    assert [get(run.chunks[0]["step"])[0], run.chunks[1], get(run.chunks[2][0])[0]] == [
        b"one",
        "plain",
        b"two",
    ]


def test_bytes_and_pictures_are_stored_under_their_names(workerkit_bucket: S3Server) -> None:
    picture = Image.new("RGB", (8, 8), "red")
    run = returned(
        [
            OutputFile(b"{}", "made/data.json"),
            OutputFile(picture, "red.jpg"),
            OutputFile(picture),
            OutputFile(b"?", content_type="image/gif"),
            OutputFile(b"own", "a.txt", "application/x-own"),
        ],
        workerkit_bucket,
    )

    names = [urlsplit(url).path.partition("/1/")[2] for url in run.output]
    assert names == ["made/data.json", "red.jpg", "picture.png", "file.gif", "a.txt"]
    (data, kind), (jpeg, _), (png, _), _, (own, own_kind) = map(get, run.output)
    assert (data, kind, own, own_kind) == (b"{}", "application/json", b"own", "application/x-own")
    assert [Image.open(io.BytesIO(each)).format for each in (jpeg, png)] == ["JPEG", "PNG"]


def test_an_open_file_and_what_holds_bytes_are_stored_whole(
    workerkit_bucket: S3Server, tmp_path: Path
) -> None:
    buffer = io.BytesIO()
    Image.new("L", (1, 1)).save(buffer, "PNG")  # and so it stands at its end
    (tmp_path / "cat.txt").write_text("meow")

    with (tmp_path / "cat.txt").open("rb") as file:
        run = returned(
            [
                OutputFile(buffer, "made.png"),
                OutputFile(buffer, "again.png"),
                OutputFile(file),
                OutputFile(bytearray(b"array"), "a"),
                OutputFile(memoryview(b"view")[1:], "v"),
                OutputFile(io.BytesIO(b"gif"), content_type="image/gif"),
            ],
            workerkit_bucket,
        )
        assert file.closed is False

    names = [urlsplit(url).path.partition("/1/")[2] for url in run.output]
    assert names == ["made.png", "again.png", "cat.txt", "a", "v", "file.gif"]
    png = buffer.getvalue()
    assert [get(url)[0] for url in run.output] == [png, png, b"meow", b"array", b"iew", b"gif"]


def test_the_same_file_is_stored_once_and_files_of_one_name_are_two(workerkit_bucket: S3Server) -> None:
    def handler(job: Job) -> Any:
        path, picture = written(job), Image.new("RGB", (1, 1))
        (job.directory / "other").mkdir()
        return {
            "same": [
                path,
                path,
                Path(str(path)),
                OutputFile(path),
                OutputFile(path, content_type="text/plain"),
            ],
            "other": written(job, "other/cat.txt", "purr"),
            "pictures": [OutputFile(picture), OutputFile(picture)],
        }

    output = returned(handler, workerkit_bucket, url="s3").output

    assert len(set(output["same"][:4])) == 1
    assert len({*output["same"], output["other"]}) == 3
    assert len(set(output["pictures"])) == 1
    stored = list(workerkit_bucket.objects().values())
    assert (len(stored), stored.count(b"meow"), stored.count(b"purr")) == (4, 2, 1)


def test_more_files_than_may_be_open_at_a_time(workerkit_bucket: S3Server) -> None:
    many = OPEN * 2 + 3
    output = returned(
        lambda job: [written(job, f"{n}.txt", str(n)) for n in range(many)], workerkit_bucket, url="plain"
    ).output

    assert [urlsplit(url).path.rpartition("/")[2] for url in output] == [f"{n}.txt" for n in range(many)]
    assert sorted(workerkit_bucket.objects().values()) == sorted(str(n).encode() for n in range(many))


def test_a_file_that_may_not_be_taken_fails_the_job_before_any_is_stored(workerkit_bucket: S3Server) -> None:
    run = returned(lambda job: [written(job), Path("/etc/passwd")], workerkit_bucket)

    assert (run.status, run.output) == (Status.FAILED, None)
    assert str(run.error).startswith(
        "the output holds the file '/etc/passwd', which is in none of the folders"
    )
    assert workerkit_bucket.objects() == {}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: OutputFile(Image.new("RGBA", (1, 1)), "a.jpg"),
            "the output's picture 'a.jpg' cannot be written: OSError: cannot write mode RGBA as JPEG; convert it",
        ),
        (
            lambda: OutputFile(Image.new("RGB", (1, 1)), "a.xyz"),
            "the output's picture 'a.xyz' cannot be written: Pillow knows no format for '.xyz'; "
            "give its name another suffix than .xyz",
        ),
        (
            lambda: OutputFile(Image.new("RGB", (1, 1)), "a"),
            "has no suffix to tell its format; name it like a.png",
        ),
        (
            lambda: OutputFile(closed(io.BytesIO()), "a.bin"),
            "the output's file 'a.bin' cannot be read from its beginning: i/o operation on closed file; "
            "give the OutputFile its path, or its bytes",
        ),
        (
            lambda: OutputFile(io.StringIO("x")),
            "the output's file 'file' cannot be read from its beginning: it gives str",
        ),
        (
            lambda: OutputFile(closed(io.FileIO(__file__))),
            "the output's file 'test_output_files.py' cannot be read",
        ),
        (lambda: OutputFile(Piped(), "a"), "the output's file 'a' cannot be read from its beginning: "),
        (lambda: Path("missing.txt"), "the output holds the file 'missing.txt', which does not exist"),
    ],
)
def test_what_cannot_be_a_file_is_told_in_a_sentence(
    workerkit_bucket: S3Server, make: Any, said: str
) -> None:
    run = returned([OutputFile(b"x"), make()], workerkit_bucket)

    assert said in str(run.error)
    assert workerkit_bucket.objects() == {}


class Bare(Bucket):
    """A bucket of another plugin, which can do nothing that files need."""

    name = "bare"

    def __init__(self) -> None:
        self.held: list[bytes] = []


class Naming(Bare):
    def key(self, name: str) -> str:
        return f"k/{name}"


class Signing(Naming):
    def presign(self, key: str, expires: float = 3600) -> str:
        return f"https://signed.example/{key}?{expires:g}"


class Whole(Signing):
    def upload_many(self, sources: Any, *, progress: Any = None) -> list[str]:
        self.held += [source.read() for source in sources.values()]
        return [f"https://plain.example/{key}" for key in sources]


@attrs.frozen
class Provides:
    bucket: Bare

    @hookimpl
    def pre_job(self, job: Job) -> None:
        job.provide(self.bucket)


def kept(job: Job) -> Path:
    return written(job)


@pytest.mark.parametrize(
    ("bucket", "said"),
    [
        (Bare(), "Bare names no objects by itself; upload them in the handler and return their URLs"),
        (Naming(), 'Naming makes no presigned URLs; set url = "plain" or "s3" under [plugin.files]'),
        (Signing(), "Signing cannot store them; upload them in the handler and return their URLs"),
    ],
)
def test_a_bucket_that_cannot_is_told_before_anything_is_stored(bucket: Bare, said: str) -> None:
    run = run_job(kept, plugins=[Provides(bucket)])

    assert run.error == f"the output holds files, and the job's {said}"
    assert bucket.held == []


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("presigned", "https://signed.example/k/cat.txt?604800"),
        ("plain", "https://plain.example/k/cat.txt"),
        ("s3", "s3://bare/k/cat.txt"),
    ],
)
def test_a_bucket_of_another_plugin_takes_files(kind: str, url: str) -> None:
    bucket = Whole()
    run = run_job(kept, plugins=[Provides(bucket)], settings={"files": {"url": kind}})

    assert (run.output, bucket.held) == (url, [b"meow"])
