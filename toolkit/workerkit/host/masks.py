"""The secrets that are masked in what a worker prints, as long as it lives."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from workerkit.redaction import Redactor

#: Secrets of runs that are over which are masked at least, unless they have more characters together.
MOST_SECRETS, MOST_CHARACTERS = 1_000, 100_000


class Masks:
    """Masks the secrets of a worker's runs, also of those that are over.

    A thread or a child that one has left behind may print them at any time. Of old secrets there are only
    so many; those of `present` runs are masked in any case.
    """

    def __init__(self, present: Callable[[], Iterable[Redactor]]) -> None:
        self._present = present
        #: The second has the latest secrets; when it is full, it becomes the first.
        self.redactors = [Redactor(()), Redactor(())]
        self._count = self._characters = 0

    def add(self, secrets: Iterable[str]) -> None:
        """Mask these from now on."""
        latest = self.redactors[1]
        for secret in secrets:
            if secret not in latest.secrets:
                latest.hide(secret)
                self._count += 1
                self._characters += len(secret)
        if self._count > MOST_SECRETS or self._characters > MOST_CHARACTERS:
            present = {secret for redactor in self._present() for secret in redactor.secrets}
            self.redactors[:] = latest, Redactor(present)
            self._count = self._characters = 0
