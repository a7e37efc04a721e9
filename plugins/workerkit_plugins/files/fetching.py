"""Files of an input, fetched before its handler begins: several at a time, all of them or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from workerkit import Bucket, InputFile, Job, JobFailed
from workerkit_plugins.files.budget import Budget
from workerkit_plugins.files.data import data_of, is_bare
from workerkit_plugins.files.naming import Names, name_in, shown
from workerkit_plugins.files.settings import FilesSettings
from workerkit_plugins.files.web import Web

#: Files that are on their way at a time.
PARALLEL = 4
#: Seconds without a word, and then between two.
SILENT, BETWEEN = 2.0, 1.0
#: Seconds for those that are stopped to end. A bucket's client may wait for an answer for longer.
LEAVING = 1.0
ACCEPTED = "https://… and http://…, s3://BUCKET/KEY with the request's own bucket, and data:…"


def fetch(files: Sequence[InputFile], job: Job, settings: FilesSettings, web: Web) -> None:
    """Fetch every file into the job's directory and set its `path`; see `InputFiles.fetch`."""
    if files:
        _Fetch(job, Budget(settings.limit, settings.timeout), web).all(files)


class _Fetch:
    def __init__(self, job: Job, budget: Budget, web: Web) -> None:
        self._job = job
        self._budget = budget
        self._web = web
        self._names = Names(job.directory)

    def all(self, files: Sequence[InputFile]) -> None:
        pool = ThreadPoolExecutor(min(PARALLEL, len(files)), "workerkit-fetch")
        futures: dict[Future[Path], InputFile] = {}
        try:
            for number, file in enumerate(files):
                futures[pool.submit(self._path, files, number)] = file
            self._watch(futures)
        except BaseException:
            # The job's own end comes through here, too.
            self._budget.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            wait([future for future in futures if not future.cancelled()], LEAVING)
            raise
        pool.shutdown()
        for future, file in futures.items():
            file.path = future.result()

    def _watch(self, futures: dict[Future[Path], InputFile]) -> None:
        """Wait for all, and say how far they are; raises what the first that failed raised."""
        files = list(futures.values())
        pending = set(futures)
        told = SILENT - BETWEEN
        while pending:
            try:
                seconds = min(self._budget.left, BETWEEN)
            except TimeoutError as error:
                late = next(number for number, future in enumerate(futures) if future in pending)
                raise _failed(files, late, error) from None
            done, pending = wait(pending, seconds, FIRST_EXCEPTION)
            for future in futures:
                if future in done:
                    future.result()
            if pending and self._budget.elapsed >= told + BETWEEN:
                told = self._budget.elapsed
                self._job.progress(self._told(files))

    def _told(self, files: Sequence[InputFile]) -> dict[str, object]:
        """How far it is, as the transfers of a bucket are told."""
        name = shown(files[0].url).partition("?")[0] if len(files) == 1 else f"{len(files)} files"
        done, of = self._budget.done, self._budget.expected
        told = {"downloading": name, "bytes": done, "of": of or None}
        return {**told, "percent": 100 * done // of} if of else told

    def _path(self, files: Sequence[InputFile], number: int) -> Path:
        try:
            return self._fetched(files[number].url)
        except (JobFailed, OSError) as error:
            raise _failed(files, number, error) from None

    def _fetched(self, url: str) -> Path:
        self._budget.check()
        scheme = url.partition(":")[0].lower()
        if scheme in ("http", "https"):
            name = name_in(url.partition("?")[0].partition("#")[0].partition("//")[2].partition("/")[2])
            with self._arriving(name) as (path, file):
                self._web.fetch(url, path.name, file, self._budget)
            return path
        if scheme == "data":
            name, data = data_of(url)
            self._budget.expect(len(data))
            with self._arriving(name) as (path, file):
                file.write(data)
                self._budget.add(len(data))
            return path
        if scheme == "s3":
            return self._object(url)
        cure = "; this seems to be base64, write it as data:image/png;base64,…" if is_bare(url) else ""
        raise JobFailed(f"an input's files may be {ACCEPTED}{cure}")

    def _object(self, url: str) -> Path:
        """An object of the request's own bucket: whoever sent it may read that, and no other."""
        bucket = self._job.use(Bucket)
        if not bucket.of_request:
            raise JobFailed(
                "this job's bucket is not the request's own, so that a request cannot name what is in it; "
                "send `s3Config`, or a presigned https URL, or have the handler call Bucket.download"
            )
        name, _, key = url.partition(":")[2].removeprefix("//").partition("/")
        if not key:
            raise JobFailed("it names no object; write it as s3://BUCKET/KEY")
        if name != bucket.name:
            raise JobFailed(f"this job's bucket is {bucket.name!r}, and no other can be read")
        counted, is_expected = 0, False

        def count(done: int, of: int | None) -> None:
            nonlocal counted, is_expected
            if of is not None and not is_expected:
                is_expected = True
                self._budget.expect(of)
            counted, new = done, done - counted  # less than before where a part is fetched again
            self._budget.add(new)

        try:
            return bucket.download(key, self._names.place(name_in(key)), progress=count)
        except FileNotFoundError:
            raise JobFailed("there is no such object") from None
        except ValueError as error:  # a key that no object can have
            raise JobFailed(str(error)) from None

    @contextmanager
    def _arriving(self, name: str) -> Iterator[tuple[Path, IO[bytes]]]:
        """A file that has its name once it is whole, and does not exist otherwise."""
        path = self._names.place(name)
        draft = path.with_name(f".{path.name}.part")
        try:
            with draft.open("xb") as file:
                yield path, file
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def _failed(files: Sequence[InputFile], number: int, error: JobFailed | OSError) -> JobFailed | OSError:
    """The same, said of a file. What may be otherwise the next time stays an error, which `retries` repeats."""
    place = f"file {number + 1} of {len(files)}, " if len(files) > 1 else ""
    about = f"cannot fetch {place}{shown(files[number].url)}"
    if isinstance(error, JobFailed):
        return JobFailed(f"{about}: {error.message}")
    return ConnectionError(f"{about}: {error.strerror or error}")
