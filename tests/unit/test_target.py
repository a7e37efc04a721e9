from __future__ import annotations

import sys
from pathlib import Path

import pytest

from workerkit import TargetError
from workerkit.target import load_target

TWO = """
from workerkit import worker_function

@worker_function
def render(job):
    return 1

@worker_function(name="caption-v2")
def caption(job):
    return 2

def helper(job):
    return 3
"""


def refusal(spec: str) -> str:
    with pytest.raises(TargetError) as caught:
        load_target(spec)
    return str(caught.value)


def test_a_file_gives_its_decorated_functions_in_order(folder: Path) -> None:
    (folder / "handler.py").write_text(TWO)
    assert list(load_target("handler.py").functions) == ["render", "caption-v2"]


@pytest.mark.parametrize("wanted", ["caption-v2", "caption"])
def test_one_function_is_chosen_by_either_of_its_names(folder: Path, wanted: str) -> None:
    (folder / "handler.py").write_text(TWO)
    assert list(load_target(f"handler.py:{wanted}").functions) == ["caption-v2"]


def test_a_module_of_a_package_is_found_in_the_working_directory(folder: Path) -> None:
    (folder / "studio").mkdir()
    (folder / "studio" / "__init__.py").touch()
    (folder / "studio" / "paint.py").write_text(TWO)
    assert list(load_target("studio.paint").functions) == ["render", "caption-v2"]
    assert list(load_target("studio.paint:render").functions) == ["render"]


def test_a_file_imports_its_neighbours(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "neighbour.py").write_text(TWO)
    (folder / "deep" / "handler.py").write_text("from neighbour import render")
    assert list(load_target("deep/handler.py").functions) == ["render"]


def test_a_file_named_like_a_loaded_module_does_not_replace_it(folder: Path) -> None:
    (folder / "attrs.py").write_text(TWO)
    before = sys.modules["attrs"]
    assert load_target("attrs.py").functions
    assert sys.modules["attrs"] is before


def test_loading_does_not_start_a_server(folder: Path) -> None:
    (folder / "handler.py").write_text(TWO + "\nrender.start()\n")
    assert load_target("handler.py").functions


def test_a_missing_file_suggests_its_neighbour(folder: Path) -> None:
    (folder / "handler.py").write_text(TWO)
    assert refusal("handlr.py") == (
        "the file handlr.py does not exist; did you mean 'handler.py'? (known: handler.py)"
    )


def test_a_missing_file_in_an_empty_folder_says_so(folder: Path) -> None:
    assert refusal("handler.py") == (
        f"the file handler.py does not exist (there is no Python file in {folder.resolve()})"
    )


def test_a_missing_module_suggests_the_files_at_hand(folder: Path) -> None:
    (folder / "handler.py").write_text(TWO)
    sentence = refusal("handlr")
    assert sentence.startswith("there is no module 'handlr' in ")
    assert sentence.endswith("; did you mean 'handler'? (known: handler)")


@pytest.mark.usefixtures("folder")
def test_what_is_neither_file_nor_module_is_refused() -> None:
    assert refusal("my handler") == (
        "'my handler' is neither a Python file nor a module; give FILE.py or pkg.module"
    )


@pytest.mark.parametrize(
    ("code", "fault", "cure"),
    [
        (
            "x = 1\nimport nowhere_at_all\n",
            "ModuleNotFoundError: No module named 'nowhere_at_all'",
            "install",
        ),
        ("x = 1\nraise RuntimeError('no GPU')\n", "RuntimeError: no GPU", ""),
        ("x = 1\nif True print()\n", "SyntaxError:", ""),
        ("x = 1\nraise SystemExit(2)\n", "SystemExit: 2", "if __name__ == '__main__':"),
    ],
)
def test_a_file_that_does_not_import_is_named_with_the_line(
    folder: Path, code: str, fault: str, cure: str
) -> None:
    (folder / "handler.py").write_text(code)
    sentence = refusal("handler.py")
    assert sentence.startswith(f"{folder.resolve() / 'handler.py'} cannot be imported: {fault}")
    assert f"(line 2 of {folder.resolve() / 'handler.py'})" in sentence
    assert cure in sentence
    assert "handler" not in sys.modules


def test_a_module_whose_own_import_fails_is_not_called_missing(folder: Path) -> None:
    (folder / "handler.py").write_text("import nowhere_at_all")
    assert "handler cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'" in refusal(
        "handler"
    )


def test_a_wrong_decoration_is_named_with_its_line(folder: Path) -> None:
    (folder / "handler.py").write_text(
        "from workerkit import worker_function\n\n@worker_function\ndef f(): ..."
    )
    # Python blames a decoration on its own line, and until 3.10 on that of the `def`.
    line = 3 if sys.version_info >= (3, 11) else 4
    assert refusal("handler.py") == (
        "worker function 'f' takes no job; give it a parameter named `job`, or one for each key of the input "
        f"(line {line} of {folder.resolve() / 'handler.py'})"
    )


def test_a_file_without_a_decorated_function_says_what_to_do(folder: Path) -> None:
    (folder / "handler.py").write_text("def handler(job): ...")
    assert refusal("handler.py") == (
        "handler.py holds no function to serve; decorate one with @worker_function"
    )


def test_two_functions_with_one_name_are_refused(folder: Path) -> None:
    (folder / "handler.py").write_text(TWO.replace('"caption-v2"', '"render"'))
    assert refusal("handler.py") == (
        "handler.py: render and caption are both named 'render'; "
        'give one of them another with @worker_function(name="...")'
    )


def test_a_function_under_two_variables_is_one_function(folder: Path) -> None:
    (folder / "handler.py").write_text(TWO + "\nalias = render\n")
    assert list(load_target("handler.py").functions) == ["render", "caption-v2"]


def test_an_unknown_function_gets_a_suggestion(folder: Path) -> None:
    (folder / "handler.py").write_text(TWO)
    assert refusal("handler.py:rendr") == (
        "handler.py has no function 'rendr'; did you mean 'render'? (known: caption-v2, render)"
    )


def test_an_undecorated_function_is_told_apart_from_an_unknown_one(folder: Path) -> None:
    (folder / "handler.py").write_text(TWO)
    assert refusal("handler.py:helper") == (
        "helper in handler.py is not decorated; put @worker_function above it"
    )
