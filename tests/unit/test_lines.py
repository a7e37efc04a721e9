"""What a worker prints, taken to lines: nothing is lost, told twice or torn, and no secret is cut in two."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from workerkit.host.lines import LINE_LIMIT, Lines
from workerkit.redaction import Redactor

SECRET = b"0123456789abcdef"
MARK = b"\x1etag:"


class Told:
    """Lines that were told."""

    def __init__(self, *secrets: bytes) -> None:
        self.lines: list[tuple[str | None, str]] = []
        self.redactors = [Redactor([secret.decode()]) for secret in secrets]
        self.taken = Lines(self._tell, self.redactors)
        self.taken.mark = MARK

    def _tell(self, whose: str | None, text: str) -> None:
        for redactor in self.redactors:
            text = redactor.text(text)
        self.lines.append((whose, text))

    def of(self, whose: str | None) -> list[str]:
        return [text for told, text in self.lines if told == whose]


def marked(whose: str, text: bytes) -> bytes:
    return MARK + whose.encode() + b"\x1f" + text + b"\n"


def test_a_line_without_a_mark_goes_on_behind_marked_ones() -> None:
    told = Told()
    told.taken.feed(b"a" + marked("x", b"1") + b"b" + marked("y", b"2") + b"c\nd\n" + marked("x", b""))

    assert told.lines == [("x", "1"), ("y", "2"), (None, "abc"), (None, "d"), ("x", "")]


def test_what_has_no_end_is_told_at_the_end_and_once() -> None:
    told = Told(SECRET)
    told.taken.feed(b"a" + SECRET[:9] + marked("x", b"half of it")[:-4])
    told.taken.end()
    assert told.lines == [(None, "a")]

    told.taken.close()
    told.taken.close()
    assert told.lines == [(None, "a"), ("x", "half of"), (None, "***")]


def test_at_the_end_most_of_a_secret_is_masked_and_a_few_characters_are_not() -> None:
    for size, shown in ((7, SECRET[:7].decode()), (8, "***"), (15, "***")):
        told = Told(SECRET)
        told.taken.feed(b"plain " + SECRET[:size] + MARK + b"x\x1fmarked " + SECRET[:size])
        told.taken.close()

        assert told.lines == [("x", f"marked {shown}"), (None, f"plain {shown}")]


def test_lines_are_told_as_they_are_where_nothing_is_marked() -> None:
    told = Told()
    told.taken = Lines(told._tell, [])
    told.taken.feed(b"\x1etag:x\x1fa\n\n\xff\n")

    assert told.lines == [(None, "\x1etag:x\x1fa"), (None, ""), (None, "�")]


@given(st.lists(st.integers(1, 40), max_size=8), st.sets(st.integers(0, 12)), st.integers(0, 20))
def test_no_secret_is_cut_in_two_by_marked_lines_reads_or_other_runs(
    reads: list[int], ends: set[int], place: int
) -> None:
    """A secret is written in pieces with a marked line between them, and read in others."""
    told = Told(SECRET)
    plain = b"x" * place + SECRET + b"y" * 10 + b"\n"
    written = plain[: place + 5] + marked("r", SECRET) + plain[place + 5 :] + marked("r", b"after")
    at = 0
    for number, size in enumerate([*reads, len(written)]):
        told.taken.feed(written[at : at + size])
        at += size
        if number in ends:
            told.taken.end()
    told.taken.close()

    assert told.of("r") == ["***", "after"]
    assert "".join(told.of(None)) == "x" * place + "***" + "y" * 10


@settings(max_examples=40, deadline=None)
@given(st.integers(LINE_LIMIT - 40, LINE_LIMIT + 40), st.integers(5_000, 100_000), st.integers(0, 16))
def test_a_line_that_is_too_long_is_told_in_pieces(place: int, read: int, torn: int) -> None:
    told = Told(SECRET)
    plain = b"x" * place + SECRET + b"y" * LINE_LIMIT
    written = plain[: place + torn] + marked("r", b"z" * (LINE_LIMIT - 1024)) + plain[place + torn :] + b"\n"
    for at in range(0, len(written), read):
        told.taken.feed(written[at : at + read])

    assert told.of("r") == ["z" * (LINE_LIMIT - 1024)]
    assert "".join(told.of(None)) == "x" * place + "***" + "y" * LINE_LIMIT
    assert max(len(text) for text in told.of(None)) <= LINE_LIMIT


def test_a_mark_without_an_end_does_not_grow_without_end() -> None:
    told = Told(SECRET)
    for _ in range(40):
        told.taken.feed(MARK + b"x" * 10_000)

    assert sum(len(text) for text in told.of(None)) > 200_000
