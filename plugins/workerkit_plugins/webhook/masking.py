"""What a receiver says back may hold what it was sent: the tokens of its URL, and credentials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import unquote, unquote_plus

MASK = "***"
#: Shorter ones would mask innocent text: values of a query, of settings.
SHORTEST_VALUE, SHORTEST_SECRET = 6, 4


def masked(text: str, secrets: Iterable[str], queries: Iterable[str]) -> str:
    """The text without secrets, and without a URL's query and the values in it, in whichever way written."""
    forms = {secret for secret in secrets if len(secret) >= SHORTEST_SECRET}
    for query in filter(None, queries):
        forms.add(f"?{query}")
        forms.update(form for form in _forms(query) if len(form) >= SHORTEST_VALUE)
    # The longest first: one may be part of another.
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    return text


def _forms(query: str) -> Iterator[str]:
    yield query
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        found = value if equals else name
        yield found
        for encoding in ("utf-8", "latin-1"):  # as which http.client reads a status line
            yield from (unquote(found, encoding), unquote_plus(found, encoding))
