"""Open a database once per worker, hand it to each job, close it at the end."""

from __future__ import annotations

import sqlite3

import attrs

from workerkit import Resource, hookimpl


class Database(Resource):
    """A handler gets it with a parameter annotated `Database`."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(path, check_same_thread=False)


@attrs.frozen(kw_only=True)
class DatabasesSettings:
    """`[plugin.databases]`: which one."""

    #: A file of SQLite's.
    path: str = ":memory:"


class Databases:
    """One instance in each worker process, so its attributes are the worker's own."""

    Settings = DatabasesSettings

    def __init__(self, settings: DatabasesSettings) -> None:
        self._path = settings.path

    @hookimpl
    def worker_start(self):
        self._database = Database(self._path)

    @hookimpl
    def pre_job(self, job):
        job.provide(self._database)

    @hookimpl
    def worker_stop(self):
        self._database.connection.close()
