"""What a worker prints, taken to lines."""

from __future__ import annotations

from collections.abc import Callable, Collection

from workerkit.redaction import Redactor, cut, ended, split

LINE_LIMIT = 64 * 1024
#: Stands in no line.
NO_MARK = b"\n"


class Lines:
    """Takes bytes to lines, and tells each with what its mark names; one without a mark with None.

    Marked lines are whole: Python in the worker prints them in one piece. Others come in pieces, between
    which there may be marked ones: a secret in such a line is found only when the pieces are joined.
    """

    def __init__(self, tell: Callable[[str | None, str], None], redactors: Collection[Redactor]) -> None:
        #: What stands before a marked line; what it names follows, up to `\x1f`.
        self.mark = NO_MARK
        self._tell = tell
        #: For the secrets of all runs that may print now.
        self._redactors = redactors
        #: What has no end yet: of a line without a mark, and behind that of a marked one.
        self._begun = b""

    @property
    def between(self) -> bool:
        """Whether no line without a mark has begun."""
        return not self._begun or not self._marked_at()

    def feed(self, data: bytes) -> None:
        """Take what was printed."""
        *lines, rest = (self._begun + data).split(b"\n")
        plain = b""
        for line in lines:
            before, mark, marked = line.partition(self.mark)
            plain += before
            if mark:
                whose, _, text = marked.partition(b"\x1f")
                self._say(whose.decode(errors="replace"), text, ended=True)
            else:
                plain = self._say(None, plain, ended=True)
        self._begun = plain + rest
        at = self._marked_at()
        if at > LINE_LIMIT:
            self._begun = self._say(None, self._begun[:at], ended=False) + self._begun[at:]

    def end(self) -> None:
        """What follows is another's: tell what has begun, but for what may be the beginning of a secret."""
        if not self._begun:  # as for nearly every job
            return
        at = self._marked_at()
        known, open_ended = split(self._begun[:at], self._redactors)
        self._begun = open_ended + self._begun[at:]
        if known:
            self._say(None, known, ended=True)

    def close(self) -> None:
        """Nothing more comes: tell all that has begun, but for what is most of a secret."""
        at = self._marked_at()
        self._begun = ended(self._begun[:at], self._redactors) + ended(self._begun[at:], self._redactors)
        while self._begun:
            self.feed(b"\n")

    def _marked_at(self) -> int:
        """Where in what has begun a marked line begins, or may begin. A longer one than ours is none."""
        size = len(self._begun)
        at = self._begun.find(self.mark)
        if at < 0:
            sizes = range(len(self.mark) - 1, 0, -1)
            at = size - next((n for n in sizes if self._begun.endswith(self.mark[:n])), 0)
        return at if size - at <= LINE_LIMIT else size

    def _say(self, whose: str | None, line: bytes, *, ended: bool) -> bytes:
        """Tell a line, a long one in pieces; what is left of one that has not ended."""
        pieces = cut(line, LINE_LIMIT, self._redactors, ended=ended)
        rest = b"" if ended else pieces.pop()
        for piece in pieces:
            self._tell(whose, piece.decode(errors="replace"))
        return rest
