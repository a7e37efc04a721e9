"""Files that a request names are there when its handler needs them, or the job says why not."""

from __future__ import annotations

import base64
import json
import logging
import os
import threading
from pathlib import Path

import pytest

from bench import Bench
from certificates import certificate, server_context
from fetching import failure, fetched, moved, ok, refusal, site
from receivers import Talk, receiver, says, says_once
from workerkit import InputFile, InputFiles, Job
from workerkit.bridge import Bridge
from workerkit.guard import Guard
from workerkit.testing import S3Server, until
from workerkit_plugins.files import Files
from workerkit_plugins.files.settings import FilesSettings

SECRET = "?sig=token-of-the-owner"


def test_files_of_every_kind_are_fetched_in_order_and_named_by_their_urls(workerkit_bucket: S3Server) -> None:
    config = workerkit_bucket.config()
    (workerkit_bucket.folder / workerkit_bucket.bucket / "in").mkdir()
    (workerkit_bucket.folder / workerkit_bucket.bucket / "in/a b?.txt").write_text("object")
    with receiver(site({"/cats/tom.jpg": ok(b"tom")})) as server:
        run = fetched(
            f"http://127.0.0.1:{server.port}/cats/tom.jpg{SECRET}#part",
            f"s3://{workerkit_bucket.bucket}/in/a b?.txt",
            f"data:image/png;base64,{base64.b64encode(b'png').decode()}",
            "data:,a%20b%2C",
            fields={"s3Config": config},
        )

    assert run.output == [["tom.jpg", "tom"], ["a b_.txt", "object"], ["file.png", "png"], ["file", "a b,"]]


def test_the_request_has_no_credentials_and_asks_for_the_file_as_it_is() -> None:
    with receiver(site({"/x": ok(b"")})) as server:
        assert fetched(f"http://127.0.0.1:{server.port}/x{SECRET}").output == [["x", ""]]

    [request] = server.requests
    assert request.startswith(f"GET /x{SECRET} HTTP/1.1\r\n".encode())
    names = [line.partition(b":")[0].lower() for line in request.strip().split(b"\r\n")[1:]]
    assert sorted(names) == [b"accept", b"accept-encoding", b"connection", b"host", b"user-agent"]
    assert b"Accept-Encoding: identity\r\n" in request


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "file"),
        ("/a%2F..%2F..%2Fetc%2Fpasswd", "a_.._.._etc_passwd"),
        ("/.hidden", "hidden"),
        ("/..%2F..", "_"),
        ("/gr%C3%BC%C3%9Fe%00%0a.txt", "gr__e__.txt"),
        (f"/{'n' * 300}.safetensors", f"{'n' * 100}.safetensors"),
        ("/folder/", "folder"),
        ("/x;rm%20-rf", "x_rm -rf"),
    ],
)
def test_a_name_is_made_fit_for_a_file(path: str, name: str) -> None:
    with receiver(says_once(ok(b"x"))) as server:
        assert fetched(f"http://127.0.0.1:{server.port}{path}").output == [[name, "x"]]


def test_files_of_one_name_do_not_meet() -> None:
    with receiver(site({"/1/a.txt": ok(b"1"), "/2/a.txt": ok(b"2")})) as server:
        base = f"http://127.0.0.1:{server.port}"
        run = fetched(f"{base}/1/a.txt", f"{base}/2/a.txt", f"{base}/1/a.txt")

    assert sorted(name for name, _ in run.output) == ["a-1.txt", "a-2.txt", "a.txt"]
    assert [text for _, text in run.output] == ["1", "2", "1"]


def test_several_are_fetched_at_a_time() -> None:
    together = threading.Barrier(4)

    def waits(talk: Talk) -> None:
        together.wait(20)
        talk.sock.sendall(ok(b"x"))

    with receiver(site({"/x": waits})) as server:
        assert len(fetched(*[f"http://127.0.0.1:{server.port}/x"] * 4).output) == 4


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
def test_redirects_are_followed_and_the_name_is_the_first_ones(status: str) -> None:
    pages = {"/a.jpg": moved("/b/", status), "/b/": moved("../c d?x=1", status), "/c%20d": ok(b"here")}
    with receiver(site(pages)) as server:
        run = fetched(f"http://127.0.0.1:{server.port}/a.jpg{SECRET}")

    assert run.output == [["a.jpg", "here"]]
    assert [each.split(b" ")[1] for each in server.requests] == [
        f"/a.jpg{SECRET}".encode(),
        b"/b/",
        b"/c%20d?x=1",
    ]


def test_five_redirects_are_followed_and_a_sixth_is_not() -> None:
    pages = {"/0": ok(b"here"), **{f"/{n}": moved(f"/{n - 1}") for n in range(1, 7)}}
    with receiver(site(pages)) as server:
        base = f"http://127.0.0.1:{server.port}"
        assert fetched(f"{base}/5").output == [["5", "here"]]
        assert refusal(f"{base}/6{SECRET}") == f"cannot fetch {base}/6?…: it redirects more than 5 times"


def test_https_is_fetched_and_may_not_redirect_to_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(files))
    pages = {"/x": ok(b"safe"), "/y": moved("/x"), "/z": moved("http://127.0.0.1/x?token")}
    with receiver(site(pages), server_context(files)) as server:
        base = f"https://127.0.0.1:{server.port}"
        assert fetched(f"{base}/x", f"{base}/y").output == [["x", "safe"], ["y", "safe"]]
        said = refusal(f"{base}/z")

    assert said.endswith(
        "it redirects from https to http://127.0.0.1/x?…, which anybody on the way could change"
    )


def test_answers_before_the_last_one_are_passed_over_and_a_length_may_be_told_twice() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </x.css>; rel=preload\r\nContent-Length: 9\r\n\r\n"
    with receiver(says(hint * 2 + ok(b"meow", "Content-Length: 4"))) as server:
        assert fetched(f"http://127.0.0.1:{server.port}/cat").output == [["cat", "meow"]]


def test_a_file_that_is_compressed_by_its_name_is_fetched_as_it_is() -> None:
    with receiver(says_once(ok(b"\x1f\x8b", "Content-Encoding: x-gzip"))) as server:
        assert fetched(f"http://127.0.0.1:{server.port}/a.tar.gz").output == [["a.tar.gz", "\x1f\x8b"]]


def test_a_long_download_is_shown_as_progress_before_it_is_over() -> None:
    bridge = Bridge()
    bench = Bench(bridge)

    def slow(talk: Talk) -> None:
        talk.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 300001\r\n\r\n" + b"x" * 300_000)
        until("progress is shown", lambda: bench.shown)
        talk.sock.sendall(b"x")

    def handler(job: Job) -> int:
        file = InputFile(f"http://127.0.0.1:{server.port}/x")
        job.use(InputFiles).fetch([file])
        return file.path.stat().st_size

    with receiver(site({"/x": slow})) as server:
        run = bench.run(handler, Files(FilesSettings(), Guard(loopback=True)))
    bridge.close()

    assert run.output == b"300001"
    told = json.loads(bench.shown[0])
    assert told["of"] == 300_001
    assert 0 < told["bytes"] < 300_001


def test_nothing_of_a_urls_query_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    odd = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nno colon\r\nX: y\r\n\r\nx"
    with caplog.at_level(logging.DEBUG), receiver(says(odd)) as server:
        assert fetched(f"http://127.0.0.1:{server.port}/x{SECRET}").output == [["x", "x"]]
    with caplog.at_level(logging.DEBUG), receiver(says_once(b"")) as server:
        failure(f"http://127.0.0.1:{server.port}/x{SECRET}")

    assert "token" not in caplog.text


def test_no_thread_and_no_descriptor_is_left() -> None:
    with receiver(says(ok(b"x"))) as server:
        url = f"http://127.0.0.1:{server.port}/x"
        fetched(url)
        before = len(os.listdir("/dev/fd"))
        fetched(url, url)
        fetched(url, "file:///x")
        until("all is closed", lambda: len(os.listdir("/dev/fd")) <= before)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("workerkit-fetch")]
