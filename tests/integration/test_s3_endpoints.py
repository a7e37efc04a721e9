"""What becomes of a config whose keys, bucket or endpoint are wrong: a sentence, soon."""

from __future__ import annotations

import json
import socket

import pytest

from receivers import Behaviour, Talk, receiver, says
from s3_failing import LOCAL, NOTHING, at, failure, typed
from s3_servers import DOMAIN, S3Service
from workerkit import Bucket, JobFailed
from workerkit.guard import Guard
from workerkit.guard.resolving import Answers
from workerkit.testing import JobRun, run_job
from workerkit_plugins.s3.client import Clients


def store(bucket: Bucket) -> str:
    return bucket.upload(b"x", key="k")


def asked(config: dict[str, str]) -> JobRun:
    return run_job(store, {}, fields={"s3Config": config})


def test_the_right_keys_store_an_object(s3: S3Service, bucket_name: str) -> None:
    run = asked(s3.config(bucket_name))
    assert (run.error, run.output) == (None, f"{s3.url}/{bucket_name}/k")
    assert s3.objects(bucket_name) == {"k": b"x"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"accessId": "nobody"}, "{url} does not know the accessId; check accessId and endpointUrl"),
        (
            {"accessSecret": "very-hush"},
            "{url} refused the accessSecret: it is not that of the accessId",
        ),
        (
            {"bucketName": "nowhere"},
            "the bucket 'nowhere' does not exist at {url}; check bucketName and endpointUrl",
        ),
    ],
)
def test_what_the_service_refuses_is_said_in_the_names_of_the_config(
    s3: S3Service, bucket_name: str, changes: dict[str, str], sentence: str
) -> None:
    config = {**s3.config(bucket_name), **changes}
    run = asked(config)
    assert json.loads(run.body)["error"] == sentence.format(url=s3.url)
    assert config["accessSecret"].encode() not in run.body
    assert s3.objects(bucket_name) == {}


WEED = pytest.mark.parametrize("s3", ["weed"], indirect=True)


@WEED  # rclone has one pair of keys, which may do everything
def test_keys_that_may_only_read_do_so_and_are_told_what_they_may_not(
    s3: S3Service, bucket_name: str
) -> None:
    config = s3.read_only(bucket_name)
    with s3.client() as client:
        client.put_object(Bucket=bucket_name, Key="there", Body=b"there")

    def read(bucket: Bucket) -> str:
        with bucket.open("there", "r") as file:
            return str(file.read())

    assert run_job(read, {}, fields={"s3Config": config}).output == "there"
    assert asked(config).error == (
        f"the keys of accessId and accessSecret may not do PutObject in the bucket {bucket_name!r} "
        f"at {s3.url}; give them that permission, or send others"
    )


@WEED  # rclone knows the path style only
def test_a_bucket_before_the_host_is_found_in_either_style(s3: S3Service, bucket_name: str) -> None:
    def resolve(host: str, port: int) -> Answers:
        seen.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    endpoint = f"http://{bucket_name}.{DOMAIN}:{s3.port}"
    for style, host in (("virtual", f"{bucket_name}.{DOMAIN}"), ("path", DOMAIN), ("auto", DOMAIN)):
        seen: list[str] = []
        config = typed(s3.config(bucket_name), endpointUrl=endpoint, addressingStyle=style)
        client = Clients().connect(config, Guard(loopback=True, resolver=resolve))
        client.put_object(Bucket=bucket_name, Key=style, Body=b"x")
        client.close()
        assert set(seen) == {host}
    assert set(s3.objects(bucket_name)) == {"virtual", "path", "auto"}


def test_a_service_that_refuses_the_path_style_is_asked_in_the_other() -> None:
    def behave(talk: Talk) -> None:
        while request := talk.read():
            virtual = b"\r\nHost: photos." in request
            status = b"200 OK" if virtual else b"400 Bad Request"
            talk.sock.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")

    guard = Guard(loopback=True, resolver=lambda host, port: socket.getaddrinfo("127.0.0.1", port))
    with receiver(behave) as server:
        client = Clients().connect(typed(at(f"http://objects.test:{server.port}")), guard)
        signed = client.generate_presigned_url("get_object", Params={"Bucket": "photos", "Key": "k"})
        client.close()
    assert signed.startswith(f"http://photos.objects.test:{server.port}/k?")


def test_an_endpoint_that_refuses_connections_is_named_at_once() -> None:
    assert failure(typed(at("http://127.0.0.1:1"))) == (
        "http://127.0.0.1:1 cannot be reached: Connection refused"
    )


def test_a_job_shows_the_sentence_about_its_endpoint() -> None:
    error = json.loads(asked(at("http://127.0.0.1:1")).error or "{}")
    assert error["error_type"] == "<class 'ConnectionError'>"
    assert error["error_message"] == "http://127.0.0.1:1 cannot be reached: Connection refused"
    assert "urllib3" not in error["error_traceback"]


def test_a_name_that_nobody_knows_is_named() -> None:
    def resolve(host: str, port: int) -> Answers:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    assert failure(typed(at("https://s3.gone.test")), Guard(resolver=resolve)) == (
        "https://s3.gone.test cannot be reached: the name 's3.gone.test' cannot be resolved: "
        "Name or service not known; check its spelling, and the DNS servers of this machine"
    )


def malformed(more: bytes) -> bytes:
    body = b"<Code>AuthorizationHeaderMalformed</Code><Message>the Credential is mal-formed</Message>" + more
    body = b"<Error>" + body + b"</Error>"
    return b"400 Bad\r\nContent-Length: %d\r\n\r\n" % len(body) + body


PAGE = b"Content-Type: text/html; charset=utf-8\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "said", "most"),
    [
        (
            b"200 OK\r\n" + PAGE,
            "answered with a web page and the status 200; it is no S3 endpoint, or another",
            1,
        ),
        (b"404 Not Found\r\n" + PAGE, "answered with a web page and the status 404; it is no S3 endpoint", 1),
        (
            b"503 Unavailable\r\n" + PAGE,
            "answered with a web page and the status 503; it is no S3 endpoint",
            3,
        ),
        *[
            (b"404 Not Found\r\n" + more, "answered 404, and not as S3 does; is it an S3 endpoint?", 2)
            for more in (
                NOTHING,
                # So does the master of SeaweedFS.
                b'X-Amz-Request-Id: 18EB\r\nContent-Length: 13\r\n\r\n{"error":"x"}',
                b"Content-Length: 7\r\n\r\n<gone/>",
            )
        ],
        (b"503 Unavailable\r\n" + NOTHING, "answered ListObjectsV2 with 503: Service Unavailable", 6),
        (b"400 Bad Request\r\n" + NOTHING, "answered ListObjectsV2 with 400: Bad Request", 4),
        (
            b"301 Moved\r\nLocation: https://www.example.com/s3?x\r\n" + NOTHING,
            "redirects to https://www.example.com; if that is the service, write it as endpointUrl",
            1,
        ),
        (
            b"302 Found\r\nLocation: /login\r\n" + NOTHING,
            "redirects elsewhere; write the service's own URL as endpointUrl",
            1,
        ),
        (
            b"301 Moved\r\nx-amz-bucket-region: eu-west-1\r\n" + NOTHING,
            "does not sign for the region 'us-east-1'; set region to 'eu-west-1'",
            4,
        ),
        (
            malformed(b"<Region>eu-west-1</Region>"),
            "does not sign for the region 'us-east-1'; set region to 'eu-west-1'",
            6,
        ),
        (
            malformed(b""),
            "answered ListObjectsV2 with AuthorizationHeaderMalformed: the Credential is mal-formed",
            6,
        ),
        (
            b"307 Temporary\r\nx-amz-bucket-region: eu-west-1\r\n" + NOTHING,
            "answered ListObjectsV2 with 307: Temporary Redirect",
            6,
        ),
    ],
)
def test_answers_of_what_is_no_s3_endpoint_are_told_in_few_requests(
    answer: bytes, said: str, most: int
) -> None:
    with receiver(says(b"HTTP/1.1 " + answer)) as server:
        url = f"http://127.0.0.1:{server.port}"
        assert failure(typed(at(url))).startswith(f"{url} {said}")
    assert len(server.requests) <= most


def closes(talk: Talk) -> None:
    talk.read()


def test_what_answers_as_s3_does_has_no_such_bucket() -> None:
    body = b"<Error><Code>NoSuchBucket</Code></Error>"
    head = b"HTTP/1.1 404 Not Found\r\nContent-Length: %d\r\n\r\n" % len(body)
    with receiver(says(head + body)) as server:
        url = f"http://127.0.0.1:{server.port}"
        assert failure(typed(at(url))).startswith(f"the bucket 'photos' does not exist at {url}")


@pytest.mark.parametrize(
    ("scheme", "behave", "said"),
    [
        ("http", closes, "closed the connection without an answer; if it speaks TLS, write https://"),
        ("http", says(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "closed the connection without an answer"),
    ],
)
def test_what_does_not_speak_http_or_tls_is_told(scheme: str, behave: Behaviour, said: str) -> None:
    with receiver(behave) as server:
        url = f"{scheme}://127.0.0.1:{server.port}"
        assert failure(typed(at(url))).startswith(f"{url} {said}")


def test_a_plain_port_fails_the_job_and_is_not_tried_again() -> None:
    with receiver(lambda talk: talk.sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        url = f"https://127.0.0.1:{server.port}"
        with pytest.raises(JobFailed) as caught:
            Clients().connect(typed(at(url)), LOCAL)
    assert str(caught.value) == f"{url} does not speak TLS; write http:// if it is meant to be plain"
    assert server.connections == 1


def test_tls_that_is_not_agreed_on_may_be_the_next_time() -> None:
    alert = bytes([21, 3, 3, 0, 2, 2, 40])  # fatal, handshake_failure
    with (
        receiver(lambda talk: talk.sock.sendall(alert)) as server,
        pytest.raises(ConnectionError, match="did not agree on TLS: "),
    ):
        Clients().connect(typed(at(f"https://127.0.0.1:{server.port}")), LOCAL)
