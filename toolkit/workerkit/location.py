"""Where a queue in a SQLite file is, by its URL. Apart from the queue itself, which takes longer to import."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, unquote

import attrs

from workerkit.errors import QueueError, suggest


@attrs.frozen
class Location:
    """Where a SQLite queue is."""

    path: Path
    unsafe_filesystem: bool = False


def sqlite_path(url: str) -> Location:
    """Take `sqlite:///relative.db` or `sqlite:////absolute.db` apart; a sentence for anything else."""
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("?")
    host, slash, name = place.partition("/")
    if scheme != "sqlite":
        file = "queue.db" if "://" in url else url  # a path alone is what was meant
        raise QueueError(
            f"the queue url {url!r} is not one that SQLite serves; write sqlite:///{file}, "
            "or install the plugin that opens such a queue"
        )
    if host or not slash or not name or name.endswith("/"):
        raise QueueError(
            f"the queue url {url!r} names no file; write sqlite:///queue.db for a file in the working "
            "directory (three slashes) or sqlite:////var/lib/queue.db for an absolute path (four)"
        )
    options = dict(parse_qsl(query, keep_blank_values=True))
    for option in options:
        if option != "unsafe_filesystem":
            raise QueueError(
                f"the queue url {url!r} has an unknown option{suggest(option, ['unsafe_filesystem'])}"
            )
    return Location(Path(unquote(name)), options.get("unsafe_filesystem", "0") not in ("", "0"))


def location_of(url: str) -> Location | None:
    """Where the queue is, or None when it is a plugin's. Raises `QueueError` for a URL that is neither's."""
    scheme, mark, _ = url.partition("://")
    return None if mark and scheme != "sqlite" else sqlite_path(url)


def file_of(url: str) -> Path | None:
    """The queue's own file, or None when the queue is a plugin's."""
    location = location_of(url)
    return None if location is None else location.path.absolute()
