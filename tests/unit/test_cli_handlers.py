"""HANDLER or `--installed`: one of them, and a sentence for anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

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
