from __future__ import annotations

from pathlib import Path

import pytest

from workerkit.cli import COMMANDS, invoke


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code = invoke(["--help"])

    printed = capsys.readouterr().out
    assert code == 0
    assert all(f"  {name} " in printed and line[:30] in printed for name, line in COMMANDS.items())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_line_that_the_list_shows(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = invoke([name, "--help"])

    printed = capsys.readouterr().out
    assert code == 0
    assert printed.startswith(f"Usage: workerkit {name} ")


def test_without_arguments_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    code = invoke([])

    assert code == 0
    assert "Commands:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["serv", "handler.py"], "there is no command 'serv'; did you mean 'serve'?"),
        (["jobs", "lst"], "there is no command 'lst'; did you mean 'list'?"),
        (["key", "nwe", "web"], "there is no command 'nwe'; did you mean 'new'?"),
        (["serve", "handler.py", "--prot", "1"], "--port"),
        (["serve", "handler.py", "--port", "many"], "'many' is not a valid integer"),
        (["run"], "Missing argument 'HANDLER'"),
        (["run", __file__, "--input", "@nowhere.json"], "there is no file 'nowhere.json'"),
        (["plugins", "--set", "port=1"], "write SECTION.FIELD=VALUE"),
        (["plugins", "--set", "plugins.disable=[s3]"], "the value is not valid JSON"),
        (["run", __file__, "--input", "hi"], """not valid JSON; strings need quotes: '"hi"';"""),
        (
            ["jobs", "list", "--status", "DONE"],
            "'--status': there is no 'DONE' (known: CANCELLED, COMPLETED,",
        ),
        (["jobs", "list", "--status", "complete"], "there is no 'complete'; did you mean 'COMPLETED'?"),
        (["jobs", "list", "--limit", "abc"], "'--limit': 'abc' is not a valid integer;"),
        (["deliveries", "list", "--state", "Ded"], "there is no 'Ded'; did you mean 'dead'?"),
        (["key", "new", "web", "--role", "clint"], "there is no 'clint'; did you mean 'client'?"),
        (["key", "new", "my key"], "'my key' cannot name a key"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = invoke(arguments)

    printed = capsys.readouterr()
    assert code == 2
    assert sentence in printed.err
    assert printed.err.startswith("workerkit: ")
    assert printed.err.count("\n") == 1
    assert "--help`" in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["plugins", "--set", "plugins.disabel=s3"],
            "unknown setting 'plugins.disabel'; did you mean 'disable'?",
        ),
        (["plugins", "--config", "nowhere.toml"], "nowhere.toml' does not exist"),
        (["plugins", "--set", 'plugins.disable=["webhok"]'], "did you mean 'webhook'?"),
        (["jobs", "list"], "there is no queue at"),
        (["jobs", "list", "--queue", "sqlite://queue.db"], "names no file"),
        (["run", "handlr.py", "--input", "1"], "did you mean 'handler.py'?"),
        (["run", "two.py", "--input", "1"], "two.py holds several functions; name one, such as two.py:a"),
        (["run", "two.py:c", "--input", "1"], "has no function 'c'"),
        (
            ["run", "handler.py", "--input", '{"input": 1,}'],
            "--input is not valid JSON at line 1, column 12: a comma with nothing after it",
        ),
        (
            ["run", "handler.py", "--input", "{bad"],
            "--input is not valid JSON at line 1, column 2: keys stand in",
        ),
        (
            ["run", "handler.py", "--input", "[1, NaN]"],
            "--input is not valid JSON at line 1, column 5: NaN is",
        ),
        (
            ["run", "handler.py", "--input", "@bad.json"],
            "--input @bad.json is not valid JSON at line 1, column 3",
        ),
        (["run", "handler.py"], "test_input.json is empty; send a JSON object"),
    ],
)
def test_a_failure_is_one_sentence_and_exit_code_1(
    arguments: list[str], sentence: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    function = "@worker_function\ndef {}(job):\n    return job['input']\n"
    head = "from workerkit import worker_function\n"
    (folder / "handler.py").write_text(head + function.format("echo"))
    (folder / "bad.json").write_text("[1")
    (folder / "test_input.json").touch()
    (folder / "two.py").write_text(head + function.format("a") + function.format("b"))

    code = invoke(arguments)

    printed = capsys.readouterr()
    assert code == 1
    assert sentence in printed.err
    assert printed.err.startswith("workerkit: ")
    assert printed.err.count("\n") == 1
    assert printed.out == ""


def test_windows_is_refused_with_a_sentence_that_names_wsl(capsys: pytest.CaptureFixture[str]) -> None:
    code = invoke(["--help"], platform="win32")

    assert code == 1
    assert "WSL" in capsys.readouterr().err


def test_the_help_of_serve_names_the_command_that_reloads(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["serve", "--help"]) == 0
    assert "`workerkit reload`, or SIGHUP, has it read its code" in capsys.readouterr().out
