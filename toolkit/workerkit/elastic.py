"""`concurrency=` as a function: from how many jobs a worker runs at a time to how many it shall run."""

from __future__ import annotations

import logging
from collections.abc import Callable

from workerkit.failures import cause

log = logging.getLogger(__name__)

#: A worker has no more slots than this.
MOST = 1000


class Elastic:
    """Calls the user's function. Whatever that does, a number of slots comes out."""

    def __init__(self, name: str, function: Callable[[int], int]) -> None:
        self._name = name
        self._function = function
        self._file: str = getattr(getattr(function, "__code__", None), "co_filename", "")
        self._warned: set[str] = set()

    def wanted(self, current: int) -> int:
        """What the function says, or the current number when it says nothing that can be used."""
        try:
            answer = self._function(current)
        except (Exception, SystemExit) as error:
            self._warn(f"raised {cause(error, self._file)}, and it stays as it is")
            return current
        if isinstance(answer, bool) or not isinstance(answer, int):
            self._warn(f"returned {type(answer).__name__} instead of an int, and it stays as it is")
            return current
        if not 1 <= answer <= MOST:
            self._warn(f"returned a number below 1 or above {MOST}; the nearest that can be is used")
        return min(max(answer, 1), MOST)

    def _warn(self, what: str) -> None:
        """Once for each thing that it does wrong: it is asked every second."""
        if what not in self._warned:
            self._warned.add(what)
            log.warning("the concurrency function of %r %s", self._name, what)
