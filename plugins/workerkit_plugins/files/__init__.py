"""Files: those that a handler returns become URLs, those that a request names become files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from workerkit import InputFile, InputFiles, Job, Output, hookimpl
from workerkit.guard import Guard
from workerkit_plugins.files.places import Places
from workerkit_plugins.files.settings import FilesSettings
from workerkit_plugins.files.walking import File, files_in, replaced

if TYPE_CHECKING:
    from workerkit_plugins.files.outgoing import Outgoing
    from workerkit_plugins.files.web import Web


class Files:
    """Stores the files in outputs, and fetches those in inputs."""

    Settings = FilesSettings

    def __init__(self, settings: FilesSettings, guard: Guard) -> None:
        self._settings = settings
        self._guard = guard
        self._places = Places(settings.folders)

    @hookimpl
    def worker_start(self) -> None:
        """Say which folders are not there, from which no file can be taken."""
        self._places.check()

    @hookimpl
    def pre_job(self, job: Job) -> None:
        """Provide what fetches the files of a typed input; it does nothing until it is asked."""
        job.provide(Fetcher(job, self._fetch))

    @hookimpl
    def on_output(self, job: Job, output: Output) -> None:
        """Put URLs in the place of files, in a copy; all are looked at before the first is stored."""
        if files := files_in(output.value):
            output.value = replaced(output.value, self._urls(job, files))

    def _urls(self, job: Job, files: Sequence[File]) -> dict[int, str]:
        """The URL of each file, by its `id`. One that is there several times is stored once."""
        from workerkit_plugins.files.outgoing import outgoing  # here, as below: few jobs have files
        from workerkit_plugins.files.storing import stored

        found = {id(file): outgoing(file, job, self._places) for file in files}
        once: dict[object, Outgoing] = {file.identity: file for file in found.values()}
        urls = dict(zip(once, stored(list(once.values()), job, self._settings), strict=True))
        return {number: urls[file.identity] for number, file in found.items()}

    def _fetch(self, job: Job, files: Sequence[InputFile]) -> None:
        from workerkit_plugins.files.fetching import fetch

        fetch(files, job, self._settings, self._web)

    @cached_property
    def _web(self) -> Web:
        from workerkit_plugins.files.web import Web

        return Web(self._guard)


class Fetcher(InputFiles):
    """Fetches what the input of one job names."""

    def __init__(self, job: Job, fetch: Callable[[Job, Sequence[InputFile]], None]) -> None:
        self._job = job
        self._fetch = fetch

    def fetch(self, files: Sequence[InputFile]) -> None:
        """Fetch every file and set its `path`; see `InputFiles.fetch`."""
        self._fetch(self._job, files)
