"""What a worker prints: whose it is, line by line to the log, without the secrets of the jobs that it runs."""

from __future__ import annotations

import logging
import re
import time
import weakref
from collections import deque
from collections.abc import Iterator

import attrs

from workerkit.failures import readable
from workerkit.host.lines import Lines
from workerkit.host.printed import LATE_OUTPUT, Key, Logbook
from workerkit.host.run import Run
from workerkit.masks import Masks
from workerkit.wire import Hide

log = logging.getLogger(__name__)

#: How much of a worker's last words is kept for the error of the job that it ran.
TAIL_LINES = 60
#: How a worker of ours begins what it logs itself. A handler can forge it, to no end.
LOGGED = re.compile(r"(?P<level>WARNING|ERROR|CRITICAL) (?=workerkit[\w.]* )")
#: Bytes of one run that are logged.
MOST_LOGGED = 10_000_000
#: The end of a run that goes on.
NEVER = float("inf")


@attrs.define(eq=False)
class _Speaker:
    """A run that may print. There are many that are over: of these it keeps little."""

    #: What a mark names.
    key: Key
    secrets: set[str]
    run: weakref.ref[Run]
    ended: float = NEVER
    logged: int = 0

    @property
    def heard(self) -> bool:
        """Whether a line may still be its."""
        return time.monotonic() < self.ended + LATE_OUTPUT

    def hide(self, secret: str) -> None:
        """Mask this one, too, as one of its own."""
        self.secrets.add(secret)
        if (run := self.run()) is not None:  # its output may not be stored yet
            run.hide(secret)


class WorkerOutput:
    """The output of one worker."""

    def __init__(self, worker: str, book: Logbook) -> None:
        self._worker = worker
        self._book = book
        self._endpoint = ""
        #: Its last lines, and who printed them.
        self._tail: deque[tuple[Key | None, str]] = deque(maxlen=TAIL_LINES)
        self._speakers: dict[Key, _Speaker] = {}
        #: Those whose runs are over, in that order. Lines come late: output is read beside the wire.
        self._late: deque[_Speaker] = deque()
        #: The run that everything belongs to which is not marked, and the one in which such a line has begun.
        self._only: _Speaker | None = None
        self._began: _Speaker | None = None
        #: Those that wait behind it. What is not marked may then be the next one's: the news that it has
        #: begun come beside the output.
        self._behind: set[_Speaker] = set()
        self._masks = Masks(self._present)
        #: Masks the secrets of the runs that are in this worker, or were.
        self.redactor = self._masks.redactor
        self._lines = Lines(self._line, [self.redactor])

    def marked_by(self, tag: str) -> None:
        """The worker marks what its runs print with `tag`."""
        if tag:
            self._lines.mark = f"\x1e{tag}:".encode()

    def expect(self, run: Run) -> None:
        """A run is about to begin: what it prints may come before anything else says so."""
        self._endpoint = run.record.endpoint
        speaker = self._speakers[run.key] = _Speaker(run.key, run.secrets, weakref.ref(run))
        if self._only is not None and self._only.ended == NEVER:
            self._behind.add(speaker)
        if run.secrets:
            self._masks.add(run.secrets)

    def dropped(self, run: Run) -> None:
        """An expected run does not begin here after all."""
        speaker = self._speakers.pop(run.key)
        self._behind.discard(speaker)
        if self._only is speaker:
            self._only = None

    def began(self, run: Run, *, alone: bool, only: bool = False) -> None:
        """It is its turn: `alone` when no other runs now, `only` when there is no room for another."""
        speaker = self._speakers[run.key]
        if alone:  # what was printed before is another's
            self._lines.end()
            if self._tail:
                mine = {run.key, None} if speaker in self._behind else {run.key}
                kept = [(run.key, text) for key, text in self._tail if key in mine]
                self._tail.clear()
                self._tail.extend(kept)
        self._behind.discard(speaker)
        # A worker that has become smaller may still run what it began when it was larger.
        self._only = speaker if only and alone else None
        if self._lines.between:
            self._began = self._only

    def hide(self, frame: Hide) -> None:
        """Mask this secret, too, in whatever comes from the worker; the run may be over."""
        if (speaker := self._speakers.get((frame.id, frame.attempt))) is not None:
            speaker.hide(frame.secret)
        self._masks.add([frame.secret])

    def ended(self, run: Run) -> None:
        """A run is over; what it printed may still be on its way."""
        if (speaker := self._speakers.get(run.key)) is not None:
            speaker.ended = time.monotonic()
            self._late.append(speaker)
            if run.secrets:
                self._masks.add(run.secrets)  # of the old ones these are now the latest
            self._book.over(run.key)
        self._forget()

    def failed(self, run: Run, error: str) -> None:
        """A run has raised: the log that is kept with its job ends with that. The server's log does not."""
        self._book.end_with(run.key, readable(run.clean(error)))

    def read(self, data: bytes) -> None:
        """The worker has printed this; after nothing, nothing more comes."""
        if data:
            self._lines.feed(data)
        else:
            self._lines.close()

    def clean(self, text: str) -> str:
        """A text of this worker, without secrets."""
        return self.redactor.text(text)

    def tail(self, run: Run | None = None) -> str:
        """Its last lines, without those of other runs when one is given."""
        wanted = None if run is None else run.key
        return "\n".join(text for key, text in self._tail if wanted is None or key in (None, wanted))

    def _line(self, whose: str | None, text: str) -> None:
        if whose is None:
            speaker, self._began = self._began, self._only
        else:
            speaker = self._speaker(whose)
        sure = whose is not None or not self._behind
        self._printed(speaker if speaker is not None and speaker.heard else None, text, sure=sure)

    def _speaker(self, whose: str) -> _Speaker | None:
        """The run that a mark names. A handler can forge it, and name no run but this worker's own."""
        id, _, attempt = whose.rpartition(":")
        return self._speakers.get((id, int(attempt))) if attempt.isdecimal() else None

    def _printed(self, speaker: _Speaker | None, text: str, *, sure: bool) -> None:
        text = text.rstrip("\r").rpartition("\r")[2]  # what a terminal shows in the end
        text = self.clean(text)
        self._tail.append((speaker.key if speaker is not None and sure else None, text))
        if speaker is not None:
            self._book.add(speaker.key, text, late=speaker.ended != NEVER)
        if self._book.logged:
            self._log(speaker, text)

    def _log(self, speaker: _Speaker | None, text: str) -> None:
        level = logging.INFO
        if logged := LOGGED.match(text):
            level, text = getattr(logging, logged["level"]), text[logged.end() :]
        if speaker is None:
            if logged is None or self._book.is_news(text):
                log.log(level, "%s | %s", self._worker, text, extra={"worker": self._worker})
            return
        if speaker.logged > MOST_LOGGED:
            return
        speaker.logged += len(text) + 1
        if speaker.logged > MOST_LOGGED:
            text = f"(it has printed {MOST_LOGGED:,} bytes; no more are logged, and the last are kept with the job)"
        id = speaker.key[0]
        known = {"worker": self._worker, "job": id, "endpoint": self._endpoint}
        log.log(level, "%s %s | %s", self._worker, id, text, extra=known)

    def _present(self) -> Iterator[str]:
        """The secrets of runs that are there, or were a moment ago."""
        return (secret for speaker in self._speakers.values() for secret in speaker.secrets)

    def _forget(self) -> None:
        """Those that may say nothing any more."""
        while self._late and not self._late[0].heard:
            speaker = self._late.popleft()
            if self._speakers.get(speaker.key) is speaker:
                del self._speakers[speaker.key]
