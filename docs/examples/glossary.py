"""Give handlers a glossary, by type."""

from __future__ import annotations

import json
from pathlib import Path

import attrs

from workerkit import Resource, hookimpl


class Glossary(Resource):
    """Words and what they mean. A handler gets it with a parameter annotated `Glossary`."""

    cure = "load the plugin in [plugins] load"

    def __init__(self, words: dict[str, str]) -> None:
        self._words = words

    def explain(self, word: str) -> str:
        return self._words.get(word, "no such word")


@attrs.frozen(kw_only=True)
class GlossarySettings:
    """`[plugin.glossaries]`: where the words are."""

    #: A JSON object of words.
    file: str


class Glossaries:
    """Reads the file once, and provides it to each job."""

    Settings = GlossarySettings

    def __init__(self, settings: GlossarySettings) -> None:
        self._glossary = Glossary(json.loads(Path(settings.file).read_text(encoding="utf-8")))

    @hookimpl
    def pre_job(self, job):
        job.provide(self._glossary)
