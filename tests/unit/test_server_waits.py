"""Requests that only wait for news, when the server stops."""

from __future__ import annotations

import pytest

from memory_site import Site, settings, until


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v2/render/events?after=held&wait=60000", '["events", "render", "held", 100, 0.0]'),
        ("/deliveries/attempts?after=7&wait=60", '["attempts", 7, 0.0]'),
        ("/jobs/held/logs?wait=60", '["logs", "held", null, 0, 0.0]'),
    ],
)
def test_a_stop_answers_at_once_those_who_only_wait_for_news(path: str, answer: str) -> None:
    with Site(settings(), grace=60) as site, site.connect() as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert site.jobs.outgoing.held.wait(10)
        site.stop()
        assert answer.encode() in until(connection, b"0.0]")
