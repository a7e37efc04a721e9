from __future__ import annotations

from collections.abc import Iterator
from secrets import token_hex

import pytest

from s3_servers import SERVERS, S3Service

#: These have tests of their own, which run where they are installed.
collect_ignore = ["third_party"]


@pytest.fixture(scope="session", params=list(SERVERS))
def s3(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Service]:
    """A real S3 server that many tests share, each of `s3_servers` in turn."""
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param)) as service:
        yield service


@pytest.fixture
def bucket_name() -> str:
    """The name of a bucket that no other test has; `s3.config(bucket_name)` makes it."""
    return f"photos-{token_hex(4)}"
