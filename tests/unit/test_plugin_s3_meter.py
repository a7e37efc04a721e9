from __future__ import annotations

from typing import Any

from workerkit import Job
from workerkit_plugins.s3.meter import EVERY, LONG, Meter, Progress


class Watched:
    """A meter whose clock is set by hand, and what it showed as the job's progress."""

    def __init__(self, total: int | None, progress: Progress | None = None, **labels: str) -> None:
        self.now = 100.0
        self.shown: list[Any] = []
        job = Job(id="j", endpoint="e", input=None, send_progress=self.shown.append)
        self.meter = Meter(job, progress, "film.mp4", total, clock=lambda: self.now, **labels)

    def at(self, seconds: float, more: int) -> list[Any]:
        """What was shown since the last call, when so many more are done after so many seconds."""
        self.now = 100.0 + seconds
        self.shown.clear()
        self.meter(more)
        return list(self.shown)


def test_what_is_soon_over_is_not_shown_and_the_rest_once_a_second() -> None:
    watched = Watched(1000)

    assert watched.at(LONG - 0.01, 100) == []
    assert watched.at(LONG, 100) == [{"uploading": "film.mp4", "bytes": 200, "of": 1000, "percent": 20}]
    assert watched.at(LONG + EVERY / 2, 100) == []
    assert watched.at(LONG + EVERY, 100) == [
        {"uploading": "film.mp4", "bytes": 400, "of": 1000, "percent": 40}
    ]
    assert watched.at(LONG + 9, -100) == [{"uploading": "film.mp4", "bytes": 300, "of": 1000, "percent": 30}]


def test_without_a_known_end_there_is_no_percentage() -> None:
    assert Watched(None).at(LONG, 5) == [{"uploading": "film.mp4", "bytes": 5, "of": None}]
    assert Watched(0).at(LONG, 0) == [{"uploading": "film.mp4", "bytes": 0, "of": 0}]


def test_what_is_counted_and_done_has_its_names() -> None:
    watched = Watched(4, verb="downloading", unit="objects")

    assert watched.at(LONG, 1) == [{"downloading": "film.mp4", "objects": 1, "of": 4, "percent": 25}]


def test_somebody_who_is_told_hears_of_everything_at_once_and_the_job_shows_nothing() -> None:
    told: list[tuple[int, int | None]] = []
    watched = Watched(3, lambda *done: told.append(done))

    assert [watched.at(seconds, 1) for seconds in (0, 0, LONG)] == [[], [], []]
    assert told == [(1, 3), (2, 3), (3, 3)]
