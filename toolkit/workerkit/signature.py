"""How a function is called: what each of its parameters is filled with, read once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, get_type_hints

import attrs

from workerkit.errors import TargetError
from workerkit.job import Job, Resource

#: A parameter of one of these names is given the job.
JOB_NAMES = ("job", "event")
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@attrs.frozen
class Filling:
    """For each parameter that is filled, `Job` or the `Resource` class that is asked for."""

    positional: tuple[type, ...]
    keyword: Mapping[str, type]
    job_only: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "job_only", self.positional == (Job,) and not self.keyword)

    def __str__(self) -> str:
        named = (f"{name}={kind.__name__}" for name, kind in self.keyword.items())
        return ", ".join((*(kind.__name__ for kind in self.positional), *named))


def filling(name: str, function: Callable[..., Any]) -> Filling:
    """What to call `function` with. Raises `TargetError` for a parameter that nothing can fill.

    A parameter with a default that is neither the job nor a resource keeps its default.
    """
    positional: list[type] = []
    keyword: dict[str, type] = {}
    parameters = [p for p in inspect.signature(function).parameters.values() if p.kind not in VARIADIC]
    bare = [p.name for p in parameters if p.annotation is p.empty and p.default is p.empty]
    job_names = (*JOB_NAMES, *bare) if len(bare) == 1 else JOB_NAMES
    by_keyword = False
    for parameter in parameters:
        kind = _filled_with(name, function, parameter, job_names)
        by_keyword = by_keyword or kind is None or parameter.kind is parameter.KEYWORD_ONLY
        if kind is not None and by_keyword:
            keyword[parameter.name] = kind
        elif kind is not None:
            positional.append(kind)
    if Job not in (*positional, *keyword.values()):
        raise TargetError(f"worker function {name!r} takes no job; give it a parameter named `job`")
    return Filling(tuple(positional), keyword)


def _filled_with(
    name: str, function: Callable[..., Any], parameter: inspect.Parameter, job_names: tuple[str, ...]
) -> type | None:
    if parameter.name in job_names:
        return Job
    annotation = _annotation(function, parameter)
    if annotation is Job:
        return Job
    if isinstance(annotation, type) and issubclass(annotation, Resource):
        return annotation
    if parameter.default is not parameter.empty:
        return None
    raise TargetError(
        f"worker function {name!r}: nothing fills the parameter {parameter.name!r}; name it `job`, "
        "annotate it with a Resource class that a plugin provides, or give it a default"
    )


def _annotation(function: Callable[..., Any], parameter: inspect.Parameter) -> Any:
    """The parameter's annotation as a type, where it can be had."""
    text = parameter.annotation
    if not isinstance(text, str):
        return text
    one = SimpleNamespace(__annotations__={parameter.name: text})
    scope = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return get_type_hints(one, scope)[parameter.name]
    except NameError:
        # Imported for type checkers only, or local to a function: its name is all there is.
        return Job if text.rpartition(".")[2] == "Job" else text
