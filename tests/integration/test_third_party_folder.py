from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from environments import Environment
from workerkit.testing import Server

HANDLER = """
import io
from workerkit import Bucket, worker_function

@worker_function
def keep(job, bucket: Bucket):
    with bucket.open("notes/today.txt", "w") as file:
        file.write("whole")
    bucket.open("left-open", "w").write("half")
    return [bucket.upload(b"bytes"), bucket.upload(io.BytesIO(b"a file"), "given")]

@worker_function
def read(job, bucket: Bucket):
    with bucket.open(job["input"], "r") as file:
        return file.read()

@worker_function
def fail(job, bucket: Bucket):
    with bucket.open("failed", "w") as file:
        file.write("half")
        raise ValueError("as asked")
"""


def test_folder_gives_every_job_a_bucket_without_a_word_in_its_request(
    installed: Callable[[str], Environment], tmp_path: Path
) -> None:
    root = tmp_path / "objects"
    program = installed("workerkit-folder").program

    with Server(tmp_path, HANDLER, settings='[plugin.s3]\nfolder = "objects"\n', program=program) as server:
        kept = server.run("keep", {})
        text = server.run("read", "notes/today.txt")["output"]
        server.run("fail", {})

    own_key = f"{kept['id']}/1/1-object"
    assert text == "whole"
    assert kept["output"] == [(root / own_key).as_uri(), (root / "given").as_uri()]
    assert {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()} == {
        "notes/today.txt": b"whole",
        own_key: b"bytes",
        "given": b"a file",
    }
