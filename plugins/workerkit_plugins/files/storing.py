"""Where files of an output go: into the job's bucket, or, small ones, into the output itself."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import quote

from workerkit import Bucket, Job, JobFailed, content_type_of
from workerkit_plugins.files.outgoing import Outgoing
from workerkit_plugins.files.settings import FilesSettings

#: Files that are open at a time; a process may have some hundreds.
OPEN = 64
#: Files of a given type that are on their way at a time.
PARALLEL = 4
#: What stays as it is in the type of a data URL; a comma would end it.
_IN_TYPES = "!\"$&'*+-./:;=@^_`|~"
#: Characters of a name that are told.
SHOWN = 60
CURE = "upload them in the handler and return their URLs"


def stored(files: Sequence[Outgoing], job: Job, settings: FilesSettings) -> list[str]:
    """The URLs of files, once they are stored. Raises `JobFailed`, and what the bucket raises."""
    bucket = job.find(Bucket)
    if bucket is None:
        return [inlined(file, settings.inline) for file in files]
    with _able(bucket, "names no objects by itself", CURE):
        keys = [_key(bucket, file.name) for file in files]
    # Before anything is stored, so that a bucket which cannot do it costs nothing.
    urls: Sequence[str] = ()
    if settings.url == "presigned":
        with _able(bucket, "makes no presigned URLs", 'set url = "plain" or "s3" under [plugin.files]'):
            urls = [bucket.presign(key, settings.expires) for key in keys]
    elif settings.url == "s3":
        urls = [f"s3://{bucket.name}/{key}" for key in keys]
    plain: list[str] = []
    for start in range(0, len(files), OPEN):
        plain += _uploaded(bucket, keys[start : start + OPEN], files[start : start + OPEN])
    return list(urls) or plain


def inlined(file: Outgoing, most: int) -> str:
    """A file as a data URL. Raises `JobFailed` when it is larger than so many bytes."""
    with ExitStack() as stack:
        data = file.open(stack).read(most + 1) if file.size <= most else b""
    if max(file.size, len(data)) > most:
        raise JobFailed(
            f"the file {file.name!r} of the output has {max(file.size, len(data)):,} bytes, and no bucket to go to; "
            f"without one, files of up to {most:,} bytes become part of the output. Send `s3Config` with the "
            "request, or set `bucket` and what belongs to it under [plugin.s3] for requests without one"
        )
    kind = file.content_type or content_type_of(file.name) or "application/octet-stream"
    return f"data:{quote(kind.replace('; ', ';'), _IN_TYPES)};base64,{b64encode(data).decode()}"


def _key(bucket: Bucket, name: str) -> str:
    try:
        return bucket.key(name)
    except ValueError as error:
        shown = f"{name[:SHOWN]!r}{'…' if len(name) > SHOWN else ''}"
        raise JobFailed(
            f"the output's file {shown} cannot be stored: {error}; "
            "give it a shorter or plainer name, such as OutputFile(source, 'cat.jpg')"
        ) from None


def _uploaded(bucket: Bucket, keys: Sequence[str], files: Sequence[Outgoing]) -> list[str]:
    """Store some files, several at a time. Whatever the bucket guesses, a type that was given is theirs."""
    urls: dict[str, str] = {}
    with ExitStack() as stack, _able(bucket, "cannot store them", CURE):
        sources = {key: file.open(stack) for key, file in zip(keys, files, strict=True)}
        types = {key: file.content_type for key, file in zip(keys, files, strict=True) if file.content_type}
        together = {key: source for key, source in sources.items() if key not in types}
        if together:
            urls |= zip(together, bucket.upload_many(together), strict=True)
        if types:
            urls |= _several(lambda key: bucket.upload(sources[key], key, content_type=types[key]), types)
    return [urls[key] for key in keys]


def _several(upload: Callable[[str], str], keys: Iterable[str]) -> dict[str, str]:
    """What each upload returned, several at a time; raises what the first that failed raised."""
    pool = ThreadPoolExecutor(PARALLEL, "workerkit-store")
    try:
        urls = dict(zip(keys, pool.map(upload, keys), strict=True))
    except BaseException as error:
        # When the job is cancelled, what is on its way ends with the bucket.
        pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    pool.shutdown()
    return urls


@contextmanager
def _able(bucket: Bucket, fault: str, cure: str) -> Iterator[None]:
    """Buckets come from plugins, and some have not all that a `Bucket` may do."""
    try:
        yield
    except NotImplementedError:
        raise JobFailed(
            f"the output holds files, and the job's {type(bucket).__name__} {fault}; {cure}"
        ) from None
