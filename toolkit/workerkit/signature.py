"""How a function is called: what each of its parameters is filled with, read once.

Who imports a handler pays for this: `Job` and the like are imported where an annotation asks for them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter
from types import NoneType, SimpleNamespace, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin, get_type_hints

import attrs

from workerkit.errors import TargetError

if TYPE_CHECKING:
    from workerkit.inputs import Inputs
    from workerkit.job import Job

#: A parameter of one of these names is given the job.
JOB_NAMES = ("job", "event")
#: Characters of a default that are shown.
LONGEST_DEFAULT = 40


class TheJob:
    """Stands for `Job`: fills a parameter with the job itself."""


@attrs.frozen
class Kept:
    """Fills a parameter that keeps its default."""

    default: Any


@attrs.frozen
class Perhaps:
    """Fills a parameter with a resource, or with None where nobody provided one."""

    kind: type


#: `TheJob`, the `Resource` class that is asked for, `Perhaps` one, `Kept`, or the parameter itself: a key of the input.
Filling = type | Perhaps | Kept | Parameter


@attrs.frozen
class Signature:
    """For each parameter that is filled, with what; `inputs` is there when the input is typed."""

    positional: tuple[Filling, ...]
    keyword: Mapping[str, Filling]
    inputs: Inputs | None = None
    job_only: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "job_only", self.positional == (TheJob,) and not self.keyword)

    def arguments(self, job: Job) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        """What a run of `job` calls the function with.

        Raises `JobFailed` when the input does not fit, when a file of it cannot be fetched, and when
        no plugin provided a resource that is asked for.
        """
        given, files = self.inputs.read(job) if self.inputs else ({}, [])

        def argument(filling: Filling) -> Any:
            if isinstance(filling, Parameter):
                return given.pop(filling.name)
            if isinstance(filling, Kept):
                return filling.default
            if isinstance(filling, Perhaps):
                return job.find(filling.kind)
            return job if filling is TheJob else job.use(filling)

        positional = tuple(map(argument, self.positional))
        keyword = {name: argument(filling) for name, filling in self.keyword.items()}
        if files:
            from workerkit.resources import InputFiles  # here: few handlers take files

            job.use(InputFiles).fetch(files)
        return positional, {**keyword, **given}

    def __str__(self) -> str:
        every = (*(("", filling) for filling in self.positional), *self.keyword.items())
        shown = [_shown(name, filling) for name, filling in every if not isinstance(filling, Kept)]
        others = [f"**{self.inputs.others}"] if self.inputs and self.inputs.others else []
        return ", ".join((*shown, *others))


def signature_of(name: str, function: Callable[..., Any]) -> Signature:
    """How `function` is called. Raises `TargetError` for a parameter that nothing can fill."""
    every = list(inspect.signature(function).parameters.values())
    own = [_resolved(name, function, p) for p in every if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    jobs = _for_the_job(own)
    positional = tuple(_filled_with(p, jobs) for p in own if p.kind is not p.KEYWORD_ONLY)
    keyword = {p.name: _filled_with(p, jobs) for p in own if p.kind is p.KEYWORD_ONLY}
    keys = [filling for filling in (*positional, *keyword.values()) if isinstance(filling, Parameter)]
    if jobs and not keys:
        return Signature(positional, keyword)
    others = next((p for p in every if p.kind is p.VAR_KEYWORD), None)
    if not own and others is None:
        raise TargetError(
            f"worker function {name!r} takes no job; give it a parameter named `job`, "
            "or one for each key of the input"
        )
    from workerkit.inputs import Inputs  # here: most handlers take the job alone

    inputs = Inputs(
        name,
        keys,
        others=None if others is None else _resolved(name, function, others),
        taken={p.name for p in own} - {key.name for key in keys},
        meaning=inspect.getdoc(function) or "",
    )
    return Signature(positional, keyword, inputs)


def _for_the_job(parameters: Sequence[Parameter]) -> list[str]:
    """Which parameters get the job: by name or annotation, else the only one that has no annotation."""
    asked = [p.name for p in parameters if p.annotation is TheJob]
    bare = [p.name for p in parameters if p.annotation is p.empty and p.default is p.empty]
    return asked or (bare if len(bare) == 1 else [])


def _filled_with(parameter: Parameter, jobs: Sequence[str]) -> Filling:
    if parameter.name in jobs:
        return TheJob
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return Kept(parameter.default) if jobs and parameter.default is not parameter.empty else parameter
    if (kind := _resource_in(annotation)) is None:
        return parameter
    return kind if kind is annotation and parameter.default is not None else Perhaps(kind)


def _resolved(name: str, function: Callable[..., Any], parameter: Parameter) -> Parameter:
    """The parameter with its annotation as a type, which is `TheJob` when its name or itself says so."""
    if parameter.name in JOB_NAMES and parameter.kind is not parameter.VAR_KEYWORD:
        return parameter.replace(annotation=TheJob)
    written_as = parameter.annotation
    if written_as is parameter.empty:
        return parameter
    one = SimpleNamespace(__annotations__={parameter.name: written_as})
    scope = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        hint = get_type_hints(one, scope, include_extras=True)[parameter.name]
    except Exception as error:  # an annotation is an expression, and may raise anything
        # Imported for type checkers only, or local to a function: its name is all there is.
        if isinstance(written_as, str) and written_as.rpartition(".")[2] == "Job":
            return parameter.replace(annotation=TheJob)
        raise TargetError(
            f"worker function {name!r}: the annotation {written_as!r} of the parameter {parameter.name!r} "
            f"cannot be read ({type(error).__name__}: {error}); define or import what it names in the file "
            "itself, outside of functions and of `if TYPE_CHECKING:`"
        ) from error
    from workerkit.job import Job

    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if plain is Job:
        return parameter.replace(annotation=TheJob)
    return parameter.replace(annotation=plain if _resource_in(plain) else hint)


def _resource_in(hint: Any) -> type | None:
    """The class of `Bucket` and of `Bucket | None`; None for what asks for no resource."""
    from workerkit.resource import Resource

    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [option for option in options if option is not NoneType]
    # Python 3.10 takes list[int] for a type.
    is_one = len(kinds) == 1 and isinstance(kinds[0], type) and not get_args(kinds[0])
    return kinds[0] if is_one and issubclass(kinds[0], Resource) else None


def _shown(name: str, filling: type | Perhaps | Parameter) -> str:
    """A key of the input as a definition has it; what does not come from there by its type."""
    if filling is TheJob:
        return f"{name}=Job" if name else "Job"
    if isinstance(filling, (type, Perhaps)):
        text = filling.__name__ if isinstance(filling, type) else f"{filling.kind.__name__} | None"
        return f"{name}={text}" if name else text
    from workerkit.hints import written

    hint, default = filling.annotation, filling.default
    typed = filling.name if hint is filling.empty else f"{filling.name}: {written(hint)}"
    if default is filling.empty:
        return typed
    # The text of an object, such as a model, may be pages.
    short = isinstance(default, (str, int, float, type(None))) and len(repr(default)) <= LONGEST_DEFAULT
    return f"{typed} = {default!r}" if short else f"{typed} = ..."
