"""Secrets in parts: what comes out of a stream, and when."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from leaking import SECRET, URL, Tokens
from workerkit import Job
from workerkit.redaction import Redactor
from workerkit.stream_redaction import EDGE, MOST_HELD, PATIENCE, StreamRedactor
from workerkit.testing import run_job

#: Chunks with one text in them, as handlers yield them.
SHAPES: list[Callable[[str], Any]] = [
    lambda text: text,
    lambda text: [text],
    lambda text: {"delta": text},
    lambda text: {"id": 7, "delta": text, "done": False},
    lambda text: {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]},
    lambda text: [text[:1], text[1:]],
]
FORMS = [
    SECRET,
    base64.b64encode(f"so {SECRET} is".encode()).decode(),
    "\r\n".join(base64.b64encode(SECRET.encode())[at : at + 5].decode() for at in range(0, 24, 5)),
    SECRET.encode().hex(),
]


def streamed(secret: str, chunks: list[Any]) -> list[Any]:
    """What comes out when all are in; with the numbers that went in."""
    stream = StreamRedactor(Redactor([secret]))
    out = [
        ready
        for number, chunk in enumerate(chunks)
        for ready in stream.add(number, msgspec.json.encode(chunk))
    ]
    out += stream.end()
    assert [number for number, _ in out] == list(range(len(chunks)))
    return [msgspec.json.decode(value) for _, value in out]


def texts(value: Any) -> Iterator[str]:
    """The strings in decoded JSON, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts(inner)


def cuts(text: str, places: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return [text[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("shape", SHAPES, ids=range(len(SHAPES)))
@pytest.mark.parametrize(
    "form",
    [SECRET, base64.b64encode(SECRET.encode()).decode(), *FORMS[2:]],
    ids=["raw", "base64", "wrapped", "hex"],
)
def test_a_stream_that_ends_in_the_midst_of_a_secret_shows_nothing_of_it(
    form: str, shape: Callable[[str], Any]
) -> None:
    """As one does whose job is cancelled. Fewer than 8 characters are no secret."""
    for size, ends in ((7, form[:7]), (8, "***"), (len(form) // 2 + 4, "***")):
        pieces = ["so ", form[:3], form[3:size]]

        assert "".join(texts(streamed(SECRET, [shape(piece) for piece in pieces]))) == f"so {ends}"


def test_a_url_that_is_exempt_stays_whole_at_the_end_of_a_stream() -> None:
    stream = StreamRedactor(Redactor([SECRET, f"{SECRET} and more"]))
    url = f"https://bucket.example/a.png?token={SECRET}"
    stream.redactor.exempt(url)
    chunk = msgspec.json.encode(url)

    assert [*stream.add(0, chunk), *stream.end()] == [(0, chunk)]


@given(st.data(), st.text(min_size=8, max_size=30), st.lists(st.integers(0, 200), max_size=80))
def test_no_secret_is_in_what_chunks_are_joined_to(
    data: st.DataObject, secret: str, places: list[int]
) -> None:
    """Also when every chunk has another shape, and the text is full of what could begin the secret."""
    assume("*" not in secret)
    bits = st.sampled_from([secret, secret[:5], secret[3:], quote(secret), "", "x"])
    pieces = cuts("".join(data.draw(st.lists(bits, max_size=8))), places)
    shapes = data.draw(st.lists(st.sampled_from(SHAPES), min_size=len(pieces), max_size=len(pieces)))
    out = streamed(secret, [shape(piece) for shape, piece in zip(shapes, pieces, strict=True)])

    joined = "".join(texts(out))
    assert secret not in joined
    assert quote(secret) not in joined


@given(
    st.sampled_from(FORMS),
    st.sampled_from(SHAPES),
    st.text("xyz. \n"),
    st.text("xyz. \n"),
    st.lists(st.integers(0, 100), max_size=80),
)
def test_what_comes_out_is_what_the_whole_text_would_be(
    form: str, shape: Callable[[str], Any], before: str, after: str, places: list[int]
) -> None:
    text = before + form + after

    out = streamed(SECRET, [shape(piece) for piece in cuts(text, places)])

    assert "".join(texts(out)) == Redactor([SECRET]).text(text)
    assert "***" in "".join(texts(out))


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text("0123 MD\n\\"),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text("ab0"), inner)),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=20))
def test_without_a_secret_chunks_come_out_as_they_went_in(chunks: list[Any]) -> None:
    assert streamed(SECRET, chunks) == chunks


def test_texts_under_the_same_names_are_read_as_one_whatever_stands_between_them() -> None:
    chunks = [{"delta": SECRET[at : at + 4], "model": "m"} for at in range(0, 16, 4)]
    pair = [{"left": SECRET[:8], "right": "so"}, {"left": SECRET[8:], "right": "on"}]

    assert [chunk["delta"] for chunk in streamed(SECRET, chunks)] == ["***", "", "", ""]
    assert streamed(SECRET, pair) == [{"left": "***", "right": "so"}, {"left": "", "right": "on"}]


def released(stream: StreamRedactor, number: int, value: Any) -> list[int]:
    return [number for number, _ in stream.add(number, msgspec.json.encode(value))]


def test_a_chunk_waits_only_while_it_may_be_the_beginning_of_a_secret() -> None:
    stream = StreamRedactor(Redactor([SECRET]))

    assert released(stream, 0, "a text ") == [0]
    assert released(stream, 1, "of which 0") == []
    assert released(stream, 2, "1") == []
    assert released(stream, 3, "2 is no secret") == [1, 2, 3]
    assert released(stream, 4, {"n": 4}) == [4]
    assert released(stream, 5, SECRET[:7]) == []
    assert stream.end() == [(5, msgspec.json.encode(SECRET[:7]))]


def test_a_text_that_does_not_go_on_holds_nothing_up() -> None:
    stream = StreamRedactor(Redactor([SECRET]))

    held = [
        released(stream, number, {"text": "so 0"} if number == 0 else {"step": number})
        for number in range(20)
    ]

    assert held[: PATIENCE + 1] == [[]] * (PATIENCE + 1)
    assert held[PATIENCE + 1] == list(range(PATIENCE + 2))
    assert held[-1] == [19]


def test_what_does_not_go_on_in_time_is_masked_when_it_is_most_of_a_secret() -> None:
    for size, shown in ((7, SECRET[:7]), (8, "***")):
        chunks: list[Any] = [{"text": f"so {SECRET[:size]}"}, *[{"step": 1}] * (PATIENCE + 1)]

        assert streamed(SECRET, [*chunks, {"text": SECRET[size:]}])[0] == {"text": f"so {shown}"}


def test_what_goes_on_under_another_name_waits_for_that() -> None:
    """All strings read as one are the secret, and no name is patient enough for it."""
    chunks = [{"a": SECRET[:8]}, {"b": SECRET[8]}, *[{"step": 1}] * (PATIENCE - 1), {"c": SECRET[9:]}]

    assert list(texts(streamed(SECRET, chunks))) == ["***", "", ""]
    assert list(texts(streamed(SECRET, chunks[:-1]))) == ["***", ""]


def test_chunks_without_a_text_between_the_parts_do_not_hide_a_secret() -> None:
    chunks = [{"text": SECRET[:8]}, *[{"ping": 1}] * PATIENCE, {"text": ""}, None, {"text": SECRET[8:]}]

    assert SECRET not in "".join(texts(streamed(SECRET, chunks[:PATIENCE] + chunks[-1:])))


def test_of_very_many_strings_in_a_chunk_the_first_and_the_last_are_joined_to_others() -> None:
    many = [f"text {number}." for number in range(10 * EDGE)]
    chunks = [[*many, SECRET[:9]], [SECRET[9:], *many, SECRET[:5]], [SECRET[5:]]]

    out = streamed(SECRET, chunks)

    assert out == [[*many, "***"], ["", *many, "***"], [""]]


def test_what_waits_is_bounded() -> None:
    stream = StreamRedactor(Redactor([SECRET]))
    large = [0] * (MOST_HELD // 5)

    assert released(stream, 0, [*large, SECRET[:6]]) == []
    assert released(stream, 1, [*large, SECRET[6]]) == []
    ready = stream.add(2, msgspec.json.encode([*large, SECRET[7]]))
    assert [number for number, _ in ready] == [0, 1, 2]
    assert [msgspec.json.decode(value)[-1] for _, value in ready] == ["***", "", ""]


def test_only_chunks_with_a_part_of_a_secret_are_written_anew() -> None:
    stream = StreamRedactor(Redactor([SECRET]))
    chunks = [b'{"a": 1.50, "t": "x0"}', b'{"a":1e2,"t":"12"}', b'"\\ud800"', b"12345678901234567890123"]

    out = [value for number, chunk in enumerate(chunks) for _, value in stream.add(number, chunk)]

    assert out + [value for _, value in stream.end()] == chunks


def test_a_url_that_is_exempt_passes_where_the_next_chunk_follows_it() -> None:
    redactor = Redactor([SECRET])
    redactor.exempt(URL)
    stream = StreamRedactor(redactor)
    chunks = [f"see {URL}", "01", f"{SECRET[2:]} {URL}"]

    out = [value for n, chunk in enumerate(chunks) for _, value in stream.add(n, msgspec.json.encode(chunk))]
    out += [value for _, value in stream.end()]

    assert "".join(map(msgspec.json.decode, out)) == f"see {URL}*** {URL}"


@pytest.mark.parametrize("raises", [False, True])
def test_a_job_in_this_process_does_not_yield_its_secret_in_parts_and_loses_no_chunk(raises: bool) -> None:
    def handler(job: Job) -> Iterator[str]:
        yield from job["token"]
        yield " and 0"
        if raises:
            raise ValueError("no")

    run = run_job(handler, plugins=[Tokens], fields={"token": SECRET})

    assert "".join(run.chunks) == "*** and 0"
    assert len(run.chunks) == len(SECRET) + 1
    assert run.output == run.chunks
