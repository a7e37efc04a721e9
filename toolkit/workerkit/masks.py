"""The secrets that are masked in whatever comes from a worker, as long as it lives.

What it prints is for the operator, and masked for all of them. What a job's client gets is masked for the job's
own, and for those of others only where that tells nobody anything: see `OthersSecrets`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from workerkit.redaction import Redactor
from workerkit.secret_forms import Forms
from workerkit.spans import Span

#: Secrets of runs that are over which are masked at least, unless they have more characters together.
#: A search takes as long for 10 as for twice as many as this, 15 µs in 1 KiB and 10 ms in 1 MiB; for none
#: it takes nothing. What grows with them is memory, some 8 KB for each.
MOST_SECRETS, MOST_CHARACTERS = 500, 50_000
#: How many characters a secret has at least that looks drawn at random, and how often, for each of them, letters
#: and digits follow each other that are of different kinds: keys have 0.4 or more, words and URLs below 0.2.
DRAWN, CHANGES = 16, 0.2
KINDS = re.compile("[a-z]+|[A-Z]+|[0-9]+")


class Masks:
    """Knows the secrets of a worker's runs, also of those that are over.

    A handler may keep a client with its keys for the next job, and a thread that it left behind may print
    them at any time. Of old secrets there are only so many, the latest; those that are `present`, which
    some run has that is there, are masked in any case.
    """

    def __init__(self, present: Callable[[], Iterable[str]]) -> None:
        self._present = present
        #: Masks them all.
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
            # It takes some 45 ms, and the next search as long, but only once in so many new secrets.
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


class OthersSecrets:
    """Secrets of a worker's runs, as they are masked in what the client of one of these gets.

    Any caller names secrets, and sees what is masked. So of others' only those are masked that look drawn at
    random: nobody can spoil `https://` for others. And only where they are whole, since beginnings could be
    guessed one character after the other. And not those that are in the run's own `request`, in whatever form:
    who sends one gets it back, whether it is somebody's or not.
    """

    def __init__(self, forms: Forms, request: Iterable[bytes]) -> None:
        self._forms = forms
        self._request = request
        self._wanted: dict[str, bool] = {}

    def places(self, data: bytes) -> list[Span]:
        """Where they are."""
        return self._forms.places(data, self._is_wanted)

    def _is_wanted(self, secret: str) -> bool:
        if secret not in self._wanted:
            known = set[str]().union(*map(self._forms.whole_in, self._request))
            self._wanted = {each: each not in known and is_drawn(each) for each in self._forms.secrets}
        return self._wanted[secret]


def is_drawn(secret: str) -> bool:
    """Whether a secret looks drawn at random, as keys do."""
    plain = re.sub("[^a-zA-Z0-9]", "", secret)
    mixed = not plain.isalpha() and not plain.isdecimal()
    return len(secret) >= DRAWN and mixed and len(KINDS.findall(plain)) - 1 >= CHANGES * len(secret)
