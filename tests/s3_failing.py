"""Endpoints that are none, and what a client is told of them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from workerkit import JobFailed, Secret
from workerkit.guard import Guard
from workerkit_plugins.s3.client import Clients
from workerkit_plugins.s3.config import S3Config

SECRET = "very-hush"
#: The end of an answer's head, when nothing follows.
NOTHING = b"Content-Length: 0\r\n\r\n"
LOCAL = Guard(loopback=True)


def at(url: str) -> dict[str, str]:
    """An `s3Config` as a request carries it."""
    return {"accessId": "id", "accessSecret": SECRET, "bucketName": "photos", "endpointUrl": url}


def typed(config: dict[str, str], **more: str) -> S3Config:
    """The same as the plugin gets it."""
    given: dict[str, Any] = {**config, **more}
    return S3Config(**{**given, "accessSecret": Secret(given["accessSecret"])})


def failure(config: S3Config, guard: Guard = LOCAL) -> str:
    """Why there is no client; it must be said within 20 s, without the secret."""
    began = time.monotonic()
    with pytest.raises((ConnectionError, JobFailed)) as caught:
        Clients().connect(config, guard)
    assert time.monotonic() - began < 20
    assert SECRET not in str(caught.value)
    return str(caught.value)
