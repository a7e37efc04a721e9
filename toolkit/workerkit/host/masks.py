"""The secrets that are masked in whatever comes from a worker, as long as it lives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from workerkit.redaction import Redactor

#: Secrets of runs that are over which are masked at least, unless they have more characters together.
#: A search takes as long for 10 as for twice as many as this, 15 µs in 1 KiB and 10 ms in 1 MiB; for none
#: it takes nothing. What grows with them is memory, some 5 KB for each.
MOST_SECRETS, MOST_CHARACTERS = 500, 50_000


class Masks:
    """Knows the secrets of a worker's runs, also of those that are over.

    A handler may keep a client with its keys for the next job, and a thread that it left behind may print
    them at any time. Of old secrets there are only so many, the latest; those that are `present`, which
    some run has that is there, are masked in any case.
    """

    def __init__(self, present: Callable[[], Iterable[str]]) -> None:
        self._present = present
        #: Masks them all. Its twins, one for each run, learn of new ones with it.
        self.redactor = Redactor(())
        #: Of what came since old ones were last forgotten.
        self._count = self._characters = 0

    def add(self, secrets: Iterable[str]) -> None:
        """Mask these from now on. One that is known is now the latest."""
        for secret in secrets:
            if secret not in self.redactor.secrets:
                self._count += 1
                self._characters += len(secret)
            self.redactor.hide(secret)
        if self._count > MOST_SECRETS or self._characters > MOST_CHARACTERS:
            # It takes some 35 ms, but only once in so many new secrets.
            self.redactor.hide_only([*self._present(), *reversed(list(self._latest()))])
            self._count = self._characters = 0

    def _latest(self) -> Iterator[str]:
        """As many as are kept, the last one first."""
        characters = 0
        for count, secret in enumerate(reversed(self.redactor.secrets), 1):
            characters += len(secret)
            if count > MOST_SECRETS or characters > MOST_CHARACTERS:
                return
            yield secret
