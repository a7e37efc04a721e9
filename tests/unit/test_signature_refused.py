"""Handlers that nothing can call: each is refused with the parameter, and with what to write in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pytest

from workerkit import InputFile, Job, Resource, Secret, TargetError, worker_function

if TYPE_CHECKING:
    from workerkit.job import Policy


class Camera(Resource):
    """Something a plugin provides."""


def refusal(function: Callable[..., Any]) -> str:
    with pytest.raises(TargetError) as caught:
        worker_function(function)
    return str(caught.value)


def test_a_function_without_parameters_is_refused() -> None:
    def render() -> None: ...

    def variadic(*args: Any) -> None: ...

    cure = "takes no job; give it a parameter named `job`, or one for each key of the input"
    assert refusal(render) == f"worker function 'render' {cure}"
    assert refusal(variadic) == f"worker function 'variadic' {cure}"


@attrs.frozen
class Scene:
    camera: Camera


@attrs.frozen
class Holiday:
    photo: PosixPath


@attrs.frozen
class Unread:
    policy: Policy


def takes_a_class(x: complex) -> None: ...
def takes_a_secret(x: list[Secret]) -> None: ...
def takes_either(x: InputFile | str) -> None: ...
def takes_several(x: dict[str, Camera] | None = None) -> None: ...
def takes_a_scene(x: Scene) -> None: ...
def takes_unread(x: Unread) -> None: ...
def takes_a_number(job: Job, *, x: Literal[1.5] = 1.5) -> None: ...  # type: ignore[valid-type]
def takes_others(a: int, **x: complex) -> None: ...


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (
            takes_a_class,
            "complex: complex cannot be made of JSON; annotate it with plain types, an attrs class",
        ),
        (takes_a_secret, "list[Secret]: Secret cannot be made of JSON; "),
        (
            takes_either,
            "InputFile | str: Type unions containing a custom type may not contain any additional",
        ),
        (
            takes_several,
            "dict[str, Camera] | None: Camera is a Resource, which is the whole annotation, alone or with `| None`; ",
        ),
        (
            takes_a_scene,
            "Scene: Camera is a Resource, which is the whole annotation, alone or with `| None`; ",
        ),
        (takes_unread, "Unread: name 'Policy' is not defined; "),
        (takes_a_number, "Literal[1.5]: Literal may only contain "),
        (takes_others, "complex: complex cannot be made of JSON; "),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_a_parameter_that_no_input_can_fill_is_named_with_the_cure(
    function: Callable[..., Any], fault: str
) -> None:
    sentence = refusal(function)
    assert sentence.startswith(
        f"worker function {function.__name__!r}: no input can fill the parameter 'x', which is annotated {fault}"
    )
    assert "or with the Resource class that a plugin provides" in sentence
    has_default = function in (takes_several, takes_a_number)
    assert ("without annotation it keeps its default beside a `job`" in sentence) == has_default


def takes_a_path(image: Path) -> None: ...
def takes_paths(image: dict[str, Holiday], more: int = 1) -> None: ...


@pytest.mark.parametrize(
    ("function", "hint", "kind"),
    [(takes_a_path, "Path", "Path"), (takes_paths, "dict[str, Holiday]", "PosixPath")],
)
def test_who_annotates_a_path_is_told_what_files_are(
    function: Callable[..., Any], hint: str, kind: str
) -> None:
    assert refusal(function) == (
        f"worker function {function.__name__!r}: no input can fill the parameter 'image', which is annotated "
        f"{hint}: {kind} cannot be made of JSON; for a file that the input names, annotate it InputFile"
    )


def takes_what_is_for_checkers(x: Policy) -> None: ...
def takes_others_for_checkers(a: int, **x: Policy) -> None: ...


def takes_what_is_local() -> Callable[..., Any]:
    class Inner:
        pass

    def local(x: Inner) -> None: ...

    return local


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (takes_what_is_for_checkers, "Policy"),
        (takes_others_for_checkers, "Policy"),
        (takes_what_is_local(), "Inner"),
    ],
)
def test_an_annotation_that_cannot_be_read_is_named_with_the_cure(
    function: Callable[..., Any], text: str
) -> None:
    assert refusal(function) == (
        f"worker function {function.__name__!r}: the annotation {text!r} of the parameter 'x' cannot be "
        f"read (NameError: name {text!r} is not defined); define or import what it names in the file itself, "
        "outside of functions and of `if TYPE_CHECKING:`"
    )
