"""HANDLER or `--installed`: one of them, and a sentence for anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import attrs
import msgspec
import pytest

from workerkit import InputFile, Job, worker_function
from workerkit.cli import invoke
from workerkit.cli.serve import sample_body


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            [],
            "Missing argument 'HANDLER': give a file, pkg.module or pkg.module:function, "
            "or --installed for the functions of installed distributions",
        ),
        (
            ["handler.py", "--installed"],
            "handler.py is a HANDLER, and --installed takes names of functions; give one or the other",
        ),
        (["--installed", "render", "studio.paint:render"], "studio.paint:render is a HANDLER"),
        (["a.py", "b.py"], "a.py and b.py are 2 HANDLERs, and there can be one; several functions of"),
    ],
)
def test_wrong_usage_says_both_ways(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = invoke(["serve", *arguments])

    printed = capsys.readouterr().err
    assert code == 2
    assert printed.startswith(f"workerkit: {sentence}")
    assert printed.endswith("; see `workerkit serve --help`\n")
    assert printed.count("\n") == 1


def test_the_sample_of_installed_functions_lies_in_the_working_directory(folder: Path) -> None:
    (folder / "test_input.json").write_text('{"prompt": "a lighthouse"}')

    assert sample_body("installed:render=studio.paint:render") == {"input": {"prompt": "a lighthouse"}}


def test_the_sample_of_a_handler_elsewhere_may_lie_in_the_working_directory_as_for_run(folder: Path) -> None:
    (folder / "test_input.json").write_text('{"prompt": "a lighthouse"}')

    assert sample_body("/nowhere/handler.py") == {"input": {"prompt": "a lighthouse"}}


@attrs.frozen
class Corner:
    x: int
    y: int = 0


@attrs.frozen
class Endless:
    next: Endless


def typed(
    prompt: str,
    width: Annotated[int, msgspec.Meta(ge=64)],
    name: Annotated[str, msgspec.Meta(examples=["a lighthouse"])],
    mode: Literal["fast", "slow"],
    corner: Corner | None,
    pair: tuple[int, bool],
    two: Annotated[list[float], msgspec.Meta(min_length=2)],
    anything: Any,
    default: int = 5,
) -> None: ...


def takes_a_file(image: InputFile) -> None: ...
def takes_what_cannot_be(chain: Endless) -> None: ...


def sample_for(function: Callable[..., Any]) -> Any:
    return sample_body("handler.py", worker_function(function).descriptor().schema)["input"]


def test_without_a_sample_a_typed_function_gets_an_input_that_fits(folder: Path) -> None:
    sample = sample_for(typed)

    assert sample == {
        "prompt": "hello",
        "width": 64,
        "name": "a lighthouse",
        "mode": "fast",
        "corner": {"x": 1},
        "pair": [1, True],
        "two": [1, 1],
        "anything": "hello",
    }
    args, _ = worker_function(typed).bind(Job(id="j", endpoint="typed", input=sample))
    assert args == ("hello", 64, "a lighthouse", "fast", Corner(1), (1, True), [1.0, 1.0], "hello", 5)
    assert sample_for(takes_a_file) == {"image": "https://example.com/file"}


def test_a_type_that_needs_itself_for_ever_has_a_sample_that_ends(folder: Path) -> None:
    assert 2 < json.dumps(sample_for(takes_what_cannot_be)).count("next") < 20


@pytest.mark.parametrize("text", ["{bad", '{"prompt": NaN}', "[NaN]"])
def test_a_sample_that_is_no_json_is_told_and_not_shown(
    text: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "test_input.json").write_text(text)

    assert sample_body("handler.py") == {"input": {"prompt": "hello"}}
    assert capsys.readouterr().err == "test_input.json is not valid JSON\n"


def test_what_is_not_installed_is_a_failure_with_a_cure(capsys: pytest.CaptureFixture[str]) -> None:
    code = invoke(["serve", "--installed", "render"])

    assert code == 1
    assert 'pyproject.toml: [project.entry-points."workerkit.functions"] render' in capsys.readouterr().err
