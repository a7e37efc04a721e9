"""Files that a request names and that cannot be had: why, in a sentence, and nothing of them is left."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from certificates import certificate, server_context
from fetching import failure, fetched, moved, ok, refusal, site
from receivers import Talk, drips, hangs, receiver, says, says_once
from workerkit.testing import S3Server

SECRET = "?sig=token-of-the-owner"


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("http://10.0.0.1/x", '10.0.0.1 is a private address; allow it with `allow = ["10.0.0.1"]`'),
        ("http://169.254.169.254/latest", "which hands out credentials"),
        (
            "file:///etc/passwd",
            "it redirects to file:///etc/passwd, which is no URL to go to: it must begin with http:// or https://",
        ),
        (
            "http://me:pw@127.0.0.1/?token",
            "it redirects to http://127.0.0.1/?…, which is no URL to go to: it must not carry a user",
        ),
        ("//[::1/?token", "it redirects to //[::1/?…, which is no URL to go to: it "),
    ],
)
def test_a_redirect_to_where_nobody_may_go_is_refused(to: str, why: str) -> None:
    with receiver(says(moved(to))) as server:
        said = refusal(f"http://127.0.0.1:{server.port}/x{SECRET}")

    assert said.startswith(f"cannot fetch http://127.0.0.1:{server.port}/x?…: ")
    assert why in said
    assert "token" not in said
    assert "pw" not in said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://10.1.2.3/x?sig=1", "cannot fetch http://10.1.2.3/x?…: 10.1.2.3 is a private address"),
        ("http://169.254.169.254/", "which hands out credentials"),
        ("http://%31%30.0.0.1/", "cannot fetch http://%31%30.0.0.1/: its URL names a host that cannot be"),
        ("https://me:pw@example.com/x?sig=1", "cannot fetch https://example.com/x?…: its URL must not carry"),
        (
            "file:///etc/passwd",
            "cannot fetch file:///etc/passwd: an input's files may be https://… and http://…",
        ),
        ("ftp://me:pw@example.com/x", "cannot fetch ftp://example.com/x: an input's files may be"),
        ("/etc/passwd", "cannot fetch /etc/passwd: an input's files may be"),
        ("", "cannot fetch : an input's files may be"),
        ("http://", "cannot fetch http://: its URL names no host"),
        ("https://example.com/\nHost: x", "must not contain spaces, control characters"),
        (
            "s3://photos/x",
            "cannot fetch s3://photos/x: no plugin provided a Bucket for this job; send `s3Config`",
        ),
        ("iVBORw0KGgo=", "cannot fetch iVBORw0KGgo=: an input's files may be"),
        (
            "iVBORw0KGgo" * 100,
            f"cannot fetch {('iVBORw0KGgo' * 6)[:60]}…: an input's files may be https://… and http://…, s3://BUCKET/KEY "
            "with the request's own bucket, and data:…; this seems to be base64, write it as data:image/png;base64,…",
        ),
        ("data:image/png;base64", "cannot fetch data:image/png;base64,…: it has no comma"),
        ("data:;base64,iVBOR", "cannot fetch data:;base64,…: its base64 cannot be decoded; is it whole?"),
    ],
)
def test_a_url_that_cannot_be_fetched_is_told_why(url: str, said: str) -> None:
    told = refusal(url)
    assert said in told
    assert "pw" not in told.replace("passwd", "")
    assert "sig=" not in told


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"404 Not Found", "the server answers 404 Not Found"),
        (b"403 Forbidden", "the server answers 403 Forbidden; a URL that was signed may have expired"),
        (b"204 No Content", "the server answers 204 No Content"),
        (b"302 Found", "the server answers 302 Found"),
        (
            b"200 OK\r\nContent-Encoding: gzip",
            "the server sends it compressed (gzip), though it was asked not to",
        ),
        (b"200 OK\r\nTransfer-Encoding: gzip", "in the transfer encoding 'gzip'; chunked alone can be read"),
        (
            b"200 OK\r\nContent-Length: -5",
            "the server says that it has '-5' bytes, which is no number of bytes",
        ),
        (b"200 OK\r\nContent-Length: +5", "the server says that it has '+5' bytes"),
        (b"200 OK\r\nContent-Length: 1_0", "the server says that it has '1_0' bytes"),
        (b"200 OK\r\nContent-Length: " + b"9" * 5000, f"the server says that it has '{'9' * 20}' bytes"),
        (b"103 Early Hints\r\n\r\nHTTP/1.1 " * 1000 + b"200 OK", "the server answers 103 Early Hints"),
    ],
)
def test_an_answer_that_is_not_the_file_is_refused(answer: bytes, said: str) -> None:
    with receiver(says_once(b"HTTP/1.1 " + answer + b"\r\n\r\n")) as server:
        assert said in refusal(f"http://127.0.0.1:{server.port}/x{SECRET}")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 503 Busy\r\n\r\n", "the server answers 503 Busy"),
        (b"HTTP/1.1 429 Slow\r\n\r\n", "the server answers 429 Slow"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "its answer ended before all of it had come"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            "its answer ended before all of it",
        ),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "its answer ended before"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhalf\r\n",
            "its answer is not HTTP/1.1 (BadChunk)",
        ),
        (b"hello\r\n\r\n", "its answer is not HTTP/1.1 (BadStatusLine)"),
        (b"", "Remote end closed connection without response"),
    ],
)
def test_a_failure_that_may_pass_is_an_error_that_retries_repeat(answer: bytes, said: str) -> None:
    with receiver(says_once(answer)) as server:
        url = f"http://127.0.0.1:{server.port}/x{SECRET}"
        assert f"cannot fetch http://127.0.0.1:{server.port}/x?…: {said}" in failure(url)


def test_a_server_that_is_not_there_or_has_no_name_is_told() -> None:
    assert (
        failure(f"http://127.0.0.1:1/x{SECRET}") == "cannot fetch http://127.0.0.1:1/x?…: Connection refused"
    )
    assert "the name 'nobody.invalid' cannot be resolved" in failure(f"http://nobody.invalid/x{SECRET}")


@pytest.mark.parametrize(
    ("name", "trusted", "said"),
    [
        (
            "127.0.0.1",
            False,
            "self-signed certificate; if you trust who issued it, start the server with SSL_CERT_FILE=ca.pem, "
            "a file with its certificate",
        ),
        ("other.test", True, "IP address mismatch, certificate is not valid for '127.0.0.1'"),
    ],
)
def test_a_certificate_that_is_not_valid_will_not_be_so_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trusted: bool, said: str
) -> None:
    files = certificate(tmp_path, name)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(files))
    with receiver(says(ok(b"x")), server_context(files)) as server:
        told = refusal(f"https://127.0.0.1:{server.port}/x{SECRET}")
    assert told.endswith(f"/x?…: its certificate is not valid: {said}")


LIMIT = "the files of this input have more than 1,000 bytes, which is `limit` under [plugin.files]"


@pytest.mark.parametrize(
    "page",
    [
        ok(b"x" * 1001),
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"fff\r\n"
        + b"x" * 0xFFF
        + b"\r\n0\r\n\r\n",
    ],
)
def test_a_file_that_is_too_large_is_refused_whatever_its_length_is_said_to_be(page: bytes) -> None:
    with receiver(says_once(page)) as server:
        said = refusal(f"http://127.0.0.1:{server.port}/x", limit=1000)
    assert said == f"cannot fetch http://127.0.0.1:{server.port}/x: {LIMIT}"


def test_the_limit_is_for_all_files_of_a_job_together(workerkit_bucket: S3Server) -> None:
    config = workerkit_bucket.config()
    (workerkit_bucket.folder / workerkit_bucket.bucket / "x").write_bytes(b"x" * 1001)

    assert LIMIT in refusal(f"data:,{'x' * 1001}", limit=1000)
    assert LIMIT in refusal(f"s3://{workerkit_bucket.bucket}/x", limit=1000, fields={"s3Config": config})
    with receiver(says(ok(b"x" * 400))) as server:
        urls = [f"http://127.0.0.1:{server.port}/{n}" for n in range(3)]
        assert len(fetched(*urls[:2], limit=1000).output) == 2
        assert LIMIT in str(fetched(*urls, limit=1000).error)


@pytest.mark.parametrize(
    "behave",
    [
        hangs,
        drips(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
        drips(b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
    ],
    ids=("says nothing", "drips headers", "drips", "drips without a length"),
)
def test_a_download_is_cut_off_in_time_and_nothing_of_it_stays(behave: object) -> None:
    with receiver(behave) as server:  # type: ignore[arg-type]
        said = failure(f"http://127.0.0.1:{server.port}/x{SECRET}", timeout=0.3)
    assert said.endswith("/x?…: it is not complete after 0.3 s, which is `timeout` under [plugin.files]")


def test_the_first_failure_ends_the_others_at_once() -> None:
    begun = threading.Event()

    def slow(talk: Talk) -> None:
        begun.set()
        talk.sock.sendall(b"HTTP/1.1 200 OK\r\n\r\nbegin")
        talk.sock.recv(1)

    def fails(talk: Talk) -> None:
        assert begun.wait(20)
        talk.sock.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")

    with receiver(site({"/slow": slow, "/fails": fails})) as server:
        base = f"http://127.0.0.1:{server.port}"
        run = fetched(f"{base}/slow", f"{base}/fails", *[f"{base}/slow"] * 20)

    assert run.error == f"cannot fetch file 2 of 22, {base}/fails: the server answers 404 Not Found"
    assert run.notes["left"] == []
    assert len(server.requests) <= 5


def test_an_object_of_another_bucket_or_that_is_not_there_is_refused(workerkit_bucket: S3Server) -> None:
    fields = {"s3Config": workerkit_bucket.config()}
    name = workerkit_bucket.bucket

    assert refusal("s3://other/x", fields=fields) == (
        f"cannot fetch s3://other/x: this job's bucket is {name!r}, and no other can be read"
    )
    assert refusal(f"s3://{name}/none", fields=fields) == (
        f"cannot fetch s3://{name}/none: there is no such object"
    )
    for url in (f"s3://{name}", f"s3://{name}/"):
        assert "it names no object; write it as s3://BUCKET/KEY" in refusal(url, fields=fields)
    said = refusal(f"s3://{name}/{'k' * 1025}", fields=fields)
    assert said.startswith(f"cannot fetch s3://{name}/kkk")
    assert said.endswith(f"…: the key {'k' * 60!r}… has 1,025 bytes in UTF-8; S3 takes 1,024")


def test_objects_of_a_bucket_that_all_requests_share_cannot_be_named(workerkit_bucket: S3Server) -> None:
    (workerkit_bucket.folder / workerkit_bucket.bucket / "x").write_text("somebody's")
    for url in (f"s3://{workerkit_bucket.bucket}/x", "s3://other/x", "s3://"):
        assert refusal(url, bucket=workerkit_bucket.config()) == (
            f"cannot fetch {url}: this job's bucket is not the request's own, so that a request cannot name what "
            "is in it; send `s3Config`, or a presigned https URL, or have the handler call Bucket.download"
        )
