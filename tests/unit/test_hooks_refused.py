from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Generator
from types import ModuleType
from typing import Any, ClassVar

import pluggy
import pytest

from workerkit.delivery import Delivery
from workerkit.errors import PluginError
from workerkit.hooks import Hooks, hookimpl
from workerkit.job import Field, Job, Output

Build = Callable[..., Hooks]


class TryFirst:
    @hookimpl(tryfirst=True)  # type: ignore[call-overload]  # what is tested
    def pre_job(self) -> None: ...


class WrapsOutput:
    @hookimpl(wrapper=True)
    def on_output(self) -> Generator[None, None, None]:
        yield


class AsyncWrapper:
    @hookimpl(wrapper=True)
    async def run_job(self):  # type: ignore[no-untyped-def]
        yield


class OldWrapper:
    @pluggy.HookimplMarker("workerkit")(hookwrapper=True)
    def run_job(self) -> Generator[None, None, None]:
        yield


class NotAGenerator:
    @hookimpl(wrapper=True)
    def run_job(self) -> None: ...


class Misspelt:
    @hookimpl
    def pre_jobs(self) -> None: ...


class WrongArgument:
    @hookimpl
    def on_output(self, job: Job, outptu: Output) -> None: ...


class KeywordOnly:
    @hookimpl
    def pre_job(self, *, job: Job) -> None: ...


class InlineElsewhere:
    @hookimpl(inline=True)
    def pre_job(self) -> None: ...


class InlineAsync:
    @hookimpl(inline=True)
    async def post_job(self) -> None: ...


class Unmarked:
    def pre_job(self) -> None: ...


class Yields:
    @hookimpl
    def accept(self) -> Generator[None, None, None]:
        yield


class YieldsAround:
    @hookimpl
    def run_job(self) -> Generator[None, Output, Output]:
        return (yield)


class YieldsAsync:
    @hookimpl
    async def post_job(self) -> AsyncGenerator[Delivery, None]:
        yield Delivery(target="x")


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return function(*args)

    return call


class InlineTraced:
    @hookimpl(inline=True)
    @traced
    async def accept(self) -> None: ...


class Selfless:
    @hookimpl
    def pre_job(job: Job) -> None: ...  # type: ignore[misc]  # what is tested


class NoArguments:
    @hookimpl
    def pre_job() -> None: ...  # type: ignore[misc]  # what is tested


class Shortened:
    pre_job = staticmethod(functools.partial(print))

    @hookimpl
    def on_output(self) -> None: ...


class Bound:
    def _prepare(self, how: str) -> None: ...

    pre_job = functools.partialmethod(_prepare, "x")


class Computed:
    @property
    @hookimpl
    def pre_job(self) -> None: ...


class LooksOdd:
    def __dir__(self) -> list[str]:
        raise SystemExit(2)

    @hookimpl
    def pre_job(self) -> None: ...


class FieldWithout:
    fields: ClassVar[Any] = {"": Field(str)}

    @hookimpl
    def pre_job(self) -> None: ...


class FieldNumbered(FieldWithout):
    fields: ClassVar[Any] = {5: Field(str)}


class FieldUntyped(FieldWithout):
    fields: ClassVar[Any] = {"x": Field("nonsense")}


class Empty: ...


class Later:
    hooks_version: object = 3

    @hookimpl
    def pre_job(self) -> None: ...


class Named(Later):
    hooks_version = "1.0"


class Yes(Later):
    hooks_version = True


class Nought(Later):
    hooks_version = 0


class Lends:
    takes_over = "yes"

    @hookimpl
    def pre_job(self) -> None: ...


@pytest.mark.parametrize(
    ("plugin", "sentence"),
    [
        (TryFirst(), "pre_job uses tryfirst or trylast; set [plugins] order instead"),
        (WrapsOutput(), "on_output is a wrapper; only run_job can be wrapped"),
        (AsyncWrapper(), "run_job is an async generator; only a plain generator can be a wrapper"),
        (OldWrapper(), "run_job is an old hookwrapper; write @hookimpl(wrapper=True)"),
        (NotAGenerator(), "run_job is a wrapper but no plain generator function"),
        (Misspelt(), "pre_jobs is no hook of workerkit; did you mean 'pre_job'?"),
        (
            WrongArgument(),
            "no argument 'outptu'; did you mean 'output'? (known: job, output); take it out, or giv",
        ),
        (Lends(), "its takes_over is 'yes'; write True, or leave it out"),
        (KeywordOnly(), "takes the keyword-only argument 'job'; hooks take plain ones: job"),
        (InlineElsewhere(), "pre_job is marked inline; only accept, job_event, post_job can be"),
        (InlineAsync(), "post_job is async and marked inline; leave out one of the two"),
        (Unmarked(), "has pre_job without @hookimpl; mark it, or give it another name"),
        (Empty(), "implements no hook; mark one of accept,"),
        (Yields(), "accept has a yield and would never run; take it out"),
        (YieldsAround(), "run_job has a yield and is no wrapper; write @hookimpl(wrapper=True)"),
        (YieldsAsync(), "post_job is an async generator, which would never run; take the yield out"),
        (InlineTraced(), "accept is async and marked inline; leave out one of the two"),
        (Selfless(), "pre_job lacks self; write def pre_job(self, job)"),
        (NoArguments(), "pre_job lacks self; write def pre_job(self, job)"),
        (Shortened(), "its pre_job is a partial and no function; write a method with @hookimpl"),
        (Bound(), "its pre_job is a partial and no function; write a method with @hookimpl"),
        (Computed(), "its pre_job is a property and no function; write a method with @hookimpl"),
        (
            LooksOdd(),
            "cannot be looked at: SystemExit: 2; repair or uninstall it, or name it in [plugins] disa",
        ),
        (FieldWithout(), "declares a field with the name ''; write a text that is not empty"),
        (FieldNumbered(), "declares a field with the name 5; write a text that is not empty"),
        (FieldUntyped(), "the field 'x' has no type that JSON can be: Type ''nonsense'' is not supported; "),
        (
            Later(),
            "was written for version 3 of the hooks, and this workerkit has 2; upgrade workerkit, or inst",
        ),
        (Named(), "its hooks_version is '1.0'; it must be the number of the version it was written for"),
        (Yes(), "its hooks_version is True; it must be the number"),
        (
            Nought(),
            "its hooks_version is 0; it must be the number of the version it was written for, such as 2",
        ),
        (Empty, "is a class; give an instance: Empty()"),
    ],
)
def test_a_wrong_plugin_is_refused_with_a_sentence_that_names_it(
    build: Build, plugin: object, sentence: str
) -> None:
    with pytest.raises(PluginError) as caught:
        build(acme=plugin)
    assert str(caught.value).startswith("plugin 'acme' of acme 1.2")
    assert sentence in str(caught.value)


def test_a_module_that_holds_a_plugin_is_refused_with_its_class_as_the_cure(build: Build) -> None:
    clock = ModuleType("clock")
    exec(
        "from workerkit import hookimpl\nclass Clock:\n    @hookimpl\n    def pre_job(self): ...", vars(clock)
    )

    with pytest.raises(PluginError, match="implements no hook; write clock:Clock, or mark one of accept, "):
        build(clock=clock)


def test_two_plugins_with_one_field_are_refused(build: Build) -> None:
    class Declares:
        fields: ClassVar = {"webhook": Field(str)}

        @hookimpl
        def accept(self) -> None: ...

    with pytest.raises(
        PluginError, match=r"'a' of acme 1\.2 and plugin 'b' of acme 1\.2 both declare the field"
    ):
        build(a=Declares(), b=Declares())
