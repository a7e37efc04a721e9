"""What the pages tell a reader to paste: settings are read, plugins load, code runs, commands are understood."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from documentation import DOCS, FENCE, Block, blocks, pages
from workerkit.cli import cli
from workerkit.loading import load_plugins
from workerkit.settings import Settings, load_settings

#: But the tutorial, which a test of its own follows from top to bottom.
NAMES = [p.relative_to(DOCS).as_posix() for p in sorted(DOCS.rglob("*.md")) if p.name != "tutorial.md"]
#: Good for whatever a page has a secret for, a key that signs webhooks too.
A_SECRET = "whsec_" + 32 * "A"
SECRET = re.compile(r'"env:(\w+)"')
ASSIGNMENTS = re.compile(r"^(?:\w+=\S+ )+")
INLINE = re.compile(r"`(workerkit [^`\n]+)`")


@pytest.fixture(scope="module")
def site() -> dict[str, str]:
    return pages()


@pytest.fixture
def found(site: dict[str, str], page: str) -> list[Block]:
    return blocks(page, site[page])


@pytest.fixture
def beside(found: list[Block], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of a reader who has saved every example, and every file of the page."""
    monkeypatch.syspath_prepend(str(folder))
    for example in (DOCS / "examples").glob("*.py"):
        shutil.copy(example, folder)
    for block in found:
        if block.language == "python" and block.title:
            path = folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
    return folder


def settings(block: Block, folder: Path) -> Settings:
    """The settings of a page's TOML, with every variable set that its secrets name."""
    path = folder / (block.title or "workerkit.toml")
    path.write_text(block.text)
    return load_settings(config=str(path), environ=dict.fromkeys(SECRET.findall(block.text), A_SECRET))


@pytest.mark.parametrize("page", NAMES)
def test_settings_are_settings(found: list[Block], tmp_path: Path) -> None:
    for block in found:
        if block.language == "toml":
            settings(block, tmp_path)


@pytest.mark.parametrize("page", NAMES)
def test_a_settings_file_finds_the_plugins_that_it_names(
    found: list[Block], beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for block in found:
        if block.title == "workerkit.toml":
            for name in SECRET.findall(block.text):
                monkeypatch.setenv(name, A_SECRET)
            assert load_plugins(settings(block, beside)), block.text


@pytest.mark.parametrize("page", NAMES)
def test_python_runs(found: list[Block], beside: Path) -> None:
    for number, block in enumerate(b for b in found if b.language == "python" and "import" in b.text):
        path = beside / (block.title or f"block_{number}.py")
        path.write_text(block.text)
        imported(path)


@pytest.mark.parametrize("page", NAMES)
def test_python_that_imports_nothing_compiles(found: list[Block]) -> None:
    for block in found:
        if block.language == "python" and not block.page.startswith("reference/"):
            source = block.text
            if re.match(r"\w+\(.*\) -> .*\n$", source):  # a hook's signature
                source = f"def {source.rstrip()}: ..."
            compile(source, block.page, "exec")


@pytest.mark.parametrize("page", NAMES)
def test_json_is_json(found: list[Block]) -> None:
    for block in found:
        if block.language == "json":
            json.loads(block.text)


@pytest.mark.parametrize("page", NAMES)
def test_command_lines_are_understood(site: dict[str, str], page: str, found: list[Block]) -> None:
    written = [line for block in found if block.language == "bash" for line in block.text.splitlines()]
    written += INLINE.findall(FENCE.sub("", site[page]))
    for line in written:
        command = ASSIGNMENTS.sub("", line.strip())
        if command.startswith("workerkit ") and "…" not in command:
            understood(command)


@pytest.mark.parametrize(
    "line", ["workerkit srve handler.py", "workerkit jobs lst", "workerkit serve h.py --prot 1"]
)
def test_a_wrong_command_line_would_be_noticed(line: str) -> None:
    with pytest.raises(click.UsageError):
        understood(line)


def understood(line: str) -> None:
    """Raises `UsageError` when a command or an option of the line does not exist."""
    arguments = shlex.split(line, comments=True)[1:]
    command: click.Command = cli
    context = click.Context(command, info_name="workerkit")
    for name in commands(arguments):
        if isinstance(command, click.Group):
            found = command.get_command(context, name)
            if found is None:
                raise click.UsageError(f"{line}: there is no command {name!r}")
            command, arguments = found, arguments[1:]
            context = click.Context(command, parent=context, info_name=name)
    command.make_parser(context).parse_args(list(arguments))


def commands(arguments: list[str]) -> Iterator[str]:
    """The words before the first option."""
    for argument in arguments:
        if argument.startswith("-"):
            return
        yield argument


def imported(path: Path) -> None:
    name = f"docs_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
