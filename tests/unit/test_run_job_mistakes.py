"""`run_job`: what mistakes are told, and refusals raised."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from workerkit import (
    Field,
    InvalidOutput,
    Job,
    PluginError,
    PluginFailed,
    Refused,
    Request,
    SettingsError,
    hookimpl,
)
from workerkit.testing import run_job


def plain(job: Job) -> Any:
    return {"got": job["input"]}


class Notes:
    fields: ClassVar = {"note_to": Field(str)}

    @hookimpl
    def accept(self, request: Request) -> None:
        if " " in request.fields["note_to"]:
            raise Refused("note_to holds a space")


class Broken:
    @hookimpl
    def accept(self, request: Request) -> None:
        raise KeyError("out of order")


def test_without_the_built_in_plugins_their_fields_are_unknown() -> None:
    with pytest.raises(PluginError, match=r"declares the field 'webhook' \(known: none\)"):
        run_job(plain, fields={"webhook": "http://a/"}, builtins=False)


def test_a_refusal_is_raised_as_the_plugin_said_it() -> None:
    with pytest.raises(Refused, match="note_to holds a space"):
        run_job(plain, plugins=[Notes], fields={"note_to": "a b"})


def test_a_field_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(Refused, match="note_to"):
        run_job(plain, plugins=[Notes], fields={"note_to": 3})


def test_a_plugin_that_fails_in_accept_is_named() -> None:
    with pytest.raises(PluginFailed, match="plugin 'broken' failed in accept: KeyError"):
        run_job(plain, plugins=[Broken])


def test_an_input_that_json_cannot_hold_is_told_by_its_path() -> None:
    with pytest.raises(InvalidOutput, match=r"input\.a is of type set"):
        run_job(plain, {"a": {1}})


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        ({"plugins": ["webhok"]}, r"no plugin 'webhok' is installed; did you mean 'webhook'\?"),
        ({"plugins": ["no.such:Thing"]}, r"No module named 'no'; correct its module:attribute"),
        ({"settings": {"webhok": {}}}, r"\[plugin.webhok\].* is a section of no plugin; did you mean 'webhook'\?"),
        ({"settings": {"webhook": {"attempt": 1}}}, r"unknown setting 'attempt'; did you mean 'attempts'\?"),
        ({"settings": {"broken": {"a": 1}}, "plugins": [Broken]}, "has no Settings class"),
        ({"settings": {"broken": {"a": 1}}, "plugins": [Broken()]}, "is not a class and takes no settings"),
        ({"settings": {"webhook": {}}, "builtins": False}, r"\[plugin.webhook\] is set, but no plugin 'webhook' is here"),
        ({"plugins": [Broken, Broken()]}, "has the name of plugin 'broken'"),
        ({"plugins": [object()]}, "implements no hook"),
        ({"fields": {"webhok": 1}}, r"declares the field 'webhok'; did you mean 'webhook'\?"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_as_a_host_would_tell_it(mistake: dict[str, Any], sentence: str) -> None:
    with pytest.raises((PluginError, SettingsError), match=sentence):
        run_job(plain, **mistake)


def test_a_worker_that_is_unfit_is_an_error_of_its_plugin() -> None:
    class Unfit:
        @hookimpl
        def worker_start(self) -> None:
            raise RuntimeError("no graphics card")

    with pytest.raises(
        PluginFailed, match="plugin 'unfit' failed in worker_start: RuntimeError: no graphics card"
    ):
        run_job(plain, plugins=[Unfit])
