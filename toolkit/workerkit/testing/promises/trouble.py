"""Receivers that are of no use, and settings and fields that lead to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from workerkit.testing.receiver import Receiver

#: What a receiver answers that has a fault, and one that does not know the sender.
ANSWERS = (500, 404)


def troubles() -> Iterator[tuple[str, str]]:
    """Words for what the receiver does, and its URL; it is there until the next one is asked for."""
    for status in ANSWERS:
        with Receiver(status) as receiver:
            yield f"answers {status}", receiver.url
    yield "is away", receiver.url


def led_to(value: Any, url: str) -> Any:
    """`value` with every http(s) URL in it leading to another host, path and user as they were."""
    if isinstance(value, Mapping):
        return {name: led_to(inner, url) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [led_to(inner, url) for inner in value]
    return (
        _moved(value, url) if isinstance(value, str) and value.startswith(("http://", "https://")) else value
    )


def _moved(text: str, url: str) -> str:
    there = urlsplit(url)
    try:
        parts = urlsplit(text)
    except ValueError:  # no URL after all
        return text
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(scheme=there.scheme, netloc=f"{user}{at}{there.netloc}").geturl()
