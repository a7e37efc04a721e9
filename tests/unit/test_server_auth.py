from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest

from memory_site import Site, settings
from workerkit.settings import KeySettings


@pytest.fixture
def site() -> Iterator[Site]:
    with Site(settings()) as running:
        yield running


def key(secret: str, role: str = "client", *endpoints: str) -> KeySettings:
    return KeySettings(sha256=sha256(secret.encode()).hexdigest(), role=role, endpoints=endpoints)


KEYS = {
    "app": key("kc"),
    "one": key("ke", "client", "render"),
    "gpu": key("kw", "worker"),
    "ops": key("ko", "operator"),
}
ASKED = [
    (None, "/v2/render/health", 401, "'Authorization: Bearer KEY'"),
    ("Bearer nobody", "/v2/render/health", 401, "workerkit key new"),
    ("Bearer kc", "/v2/render/health", 200, ""),
    ("bearer kc", "/v2/render/health", 200, ""),
    ("kc", "/v2/render/health", 200, ""),
    ("kc", "/jobs", 403, "the key 'app' has the role 'client'; this needs a key with the role 'operator'"),
    ("ke", "/v2/render/health", 200, ""),
    ("ke", "/v2/other/health", 403, "good for render only, not for 'other'"),
    ("kw", "/v2/render/health", 403, "has the role 'worker'"),
    ("ko", "/v2/render/health", 200, ""),
    ("ko", "/jobs", 200, ""),
    ("per-run-token", "/jobs", 200, ""),
    (None, "/jobs/7", 401, ""),
    (None, "/healthz", 200, ""),
    (None, "/readyz", 503, ""),
]


def test_keys_open_what_their_role_and_endpoints_allow() -> None:
    with Site(settings(keys=KEYS), token="per-run-token") as site:
        for sent, path, status, sentence in ASKED:
            headers = {} if sent is None else {"Authorization": sent}
            answer = site.ask("GET", path, **headers)
            assert (sent, path, answer.status) == (sent, path, status)
            assert sentence in answer.json().get("error", "") if sentence else True
        assert site.ask("GET", "/jobs").headers["www-authenticate"] == "Bearer"
        assert site.ask("GET", "/jobs", Authorization="ko", Host="workers.example.com").status == 200


LOCAL = ["localhost", "LOCALHOST:8000", "127.0.0.1:9", "[::1]:80", "[::1]", "127.0.0.5"]
FOREIGN = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "10.0.0.1", "[fe80::1]", ""]


def test_without_keys_only_this_machines_names_are_answered_and_sent_keys_are_ignored(site: Site) -> None:
    for host in LOCAL:
        assert site.ask("GET", "/v2/render/health", Host=host, Authorization="Bearer any").status == 200
    for host in FOREIGN:
        answer = site.ask("GET", "/v2/render/health", Host=host)
        assert (host, answer.status, answer.json()["code"]) == (host, 403, "not_local")
    assert "workerkit key new NAME" in answer.json()["error"]


def test_without_keys_web_pages_of_other_sites_cannot_post_jobs(site: Site) -> None:
    for origin in ("https://evil.example", "null", "http://localhost.evil.example"):
        assert site.ask("POST", "/v2/render/run", b"", Origin=origin).status == 403
        assert site.ask("GET", "/jobs", Origin=origin).status == 403
    assert site.ask("POST", "/v2/render/run", b"", Origin="http://localhost:3000").status == 200
    assert len(site.jobs.bodies) == 1
