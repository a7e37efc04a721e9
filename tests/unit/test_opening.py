from __future__ import annotations

from pathlib import Path

import pytest

from workerkit.bridge import Bridge
from workerkit.errors import QueueError
from workerkit.hooks import Hooks, LoadedPlugin, hookimpl
from workerkit.location import file_of
from workerkit.opening import reader_of, server_of, store_of
from workerkit.queue import Store
from workerkit.queue.sqlite import SQLiteStore
from workerkit.settings import QueueSettings, Settings

FOREIGN = QueueSettings(url="redis://me:hunter2@here/0")


class Redis:
    """Opens every queue, as this one."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @hookimpl
    def open_queue(self, url: str) -> Store:
        return self.store


def opened(queue: QueueSettings, *plugins: object) -> Store:
    hooks = Hooks([LoadedPlugin(name="p", plugin=plugin) for plugin in plugins], Bridge())
    return store_of(Settings(queue=queue), hooks, "me")


def test_a_sqlite_url_is_a_file_with_what_the_url_says_of_it() -> None:
    store = opened(QueueSettings(url="sqlite:///jobs.db?unsafe_filesystem=1"))

    assert isinstance(store, SQLiteStore)
    assert store.path == Path("jobs.db").absolute() == file_of("sqlite:///jobs.db")
    assert store._location.unsafe_filesystem


def test_how_long_results_are_kept_is_the_settings_to_say() -> None:
    for queue, kept, kept_sync in (
        (QueueSettings(keep=1800.0), 1_800_000, 1_800_000),
        (QueueSettings(keep=1800.0, keep_sync=60.0), 1_800_000, 60_000),
    ):
        store = opened(queue)
        assert isinstance(store, SQLiteStore)
        assert store._context.kept_ms("0190-u1") == kept
        assert store._context.kept_ms("sync-0190-u1") == kept_sync


def test_how_long_dead_deliveries_are_kept_is_the_settings_to_say() -> None:
    for queue, kept in ((QueueSettings(), 604_800_000), (QueueSettings(keep_dead=1.5), 1_500)):
        store = opened(queue)
        assert isinstance(store, SQLiteStore)
        assert store._context.keep_dead_ms == kept


def test_another_url_is_a_plugins_to_open(tmp_path: Path) -> None:
    store = opened(QueueSettings(url=f"sqlite:///{tmp_path}/other.db"))

    assert opened(FOREIGN, Redis(store)) is store
    assert file_of(FOREIGN.url) is None


def test_a_queue_that_nobody_here_can_open_is_named_without_its_password() -> None:
    for ask in (opened, server_of, reader_of):
        with pytest.raises(QueueError, match=r"redis://…") as caught:
            ask(FOREIGN)
        assert "hunter2" not in str(caught.value)


def test_a_url_without_a_scheme_is_answered_with_how_one_is_written() -> None:
    with pytest.raises(QueueError, match=r"write sqlite:///jobs\.db"):
        opened(QueueSettings(url="jobs.db"))
