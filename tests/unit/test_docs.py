"""What the code has, the documentation has. It is listed here from the code, not by what makes the pages."""

from __future__ import annotations

import html
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import attrs
import click
import pytest

import workerkit
from documentation import DOCS, FENCE, ROOT, anchors, pages, section
from workerkit import errors, hookspecs
from workerkit.cli import cli
from workerkit.settings import Settings
from workerkit.sources import PREFIX, SHORT_NAMES
from workerkit_plugins.profiles import RUNPOD

NAMES = [path.relative_to(DOCS).as_posix() for path in sorted(DOCS.rglob("*.md"))]
HOOKS = [name for name, value in vars(hookspecs).items() if hasattr(value, "workerkit_spec")]
LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def site() -> Mapping[str, str]:
    return pages()


def signature(hook: str) -> str:
    return f"{hook}({', '.join(inspect.signature(getattr(hookspecs, hook)).parameters)})"


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_a_heading_with_its_exact_signature(site: Mapping[str, str], hook: str) -> None:
    assert f"\n## {signature(hook)} {{#{hook}}}\n" in site["hooks.md"]


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_says_when_where_in_what_order_and_what_returning_and_raising_do(
    site: Mapping[str, str], hook: str
) -> None:
    text = section(site["hooks.md"], hook)

    for word in ("When", "Where", "Order", "Return", "Raise"):
        assert re.search(rf"^- \*\*{word}:\*\* \S", text, re.MULTILINE), word


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_an_example_that_implements_it_and_that_a_test_runs(
    site: Mapping[str, str], hook: str
) -> None:
    own = section((DOCS / "hooks.md").read_text(encoding="utf-8"), hook)
    [example] = re.findall(r"^<!-- made: example (\w+)\.py -->$", own, re.MULTILINE)
    tests = (ROOT / "tests" / "unit" / "test_docs_hooks.py").read_text(encoding="utf-8")

    assert re.search(rf"@hookimpl.*\n    def {hook}\(", section(site["hooks.md"], hook))
    assert f"from {example} import" in tests


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_in_the_table_of_versions(site: Mapping[str, str], hook: str) -> None:
    assert any(signature(hook) in added for added in hookspecs.VERSIONS.values())
    assert f"`{signature(hook)}`" in site["contract.md"]


def settings_of(path: str, cls: type) -> Iterator[tuple[str, str, Any]]:
    """Section, field and attrs attribute, of a class and of the tables inside it."""
    hints = get_type_hints(cls)
    for field in attrs.fields(cls):
        yield path, field.name, field
        hint = hints[field.name]
        for inner in get_args(hint) if get_origin(hint) is Mapping else ():
            if attrs.has(inner):
                yield from settings_of(f"{path}.{field.name}.NAME", inner)


def every_setting() -> list[tuple[str, str, Any]]:
    hints = get_type_hints(Settings)
    sections = [(name, hint) for name, hint in hints.items() if attrs.has(hint)]
    for point in distribution("workerkit").entry_points.select(group="workerkit"):
        if hasattr(point.load(), "Settings"):
            sections.append((f"plugin.{point.name}", point.load().Settings))
    return [setting for path, cls in sections for setting in settings_of(path, cls)]


def variable(path: str, field: str) -> str:
    return PREFIX + "__".join([*path.removeprefix("plugin.").split("."), field]).upper()


@pytest.mark.parametrize(
    ("path", "name", "field"), [pytest.param(*s, id=f"{s[0]}.{s[1]}") for s in every_setting()]
)
def test_a_setting_is_there_with_type_default_meaning_and_variable(
    site: Mapping[str, str], path: str, name: str, field: Any
) -> None:
    page = "reference/plugins.md" if path.startswith("plugin.") else "reference/settings.md"
    text = section(site[page], path.replace(".", "-").lower())
    [row] = [line for line in text.splitlines() if line.startswith(f"| **`{name}`**<br>")]
    cells = [cell.strip() for cell in re.split(r"(?<=[^|`]) \| (?=\S)", row.strip("| "))]

    assert f"## `[{path}]`" in text
    assert f"`{variable(path, name)}`" in cells[0]
    assert str(field.type) in row
    assert ("required" in row) == (field.default is attrs.NOTHING)
    assert re.search(r"\w{2}", cells[-1].replace("`", "")), f"{path}.{name} does not say what it means"
    assert not cells[-1].startswith("`") or " " in cells[-1], f"{path}.{name} does not say what it means"


def test_what_stands_above_the_sections_is_there(site: Mapping[str, str]) -> None:
    hints = get_type_hints(Settings)
    above = [f for f in attrs.fields(Settings) if hints[f.name] is str and not f.metadata]

    for field in above:
        row = f"| **`{field.name}`**<br>`{PREFIX}{field.name.upper()}` |"
        assert row in section(site["reference/settings.md"], "above")


@pytest.mark.parametrize("name", [*SHORT_NAMES, *(variable(path, name) for path, name, _ in every_setting())])
def test_an_environment_variable_is_there(site: Mapping[str, str], name: str) -> None:
    assert f"\n| `{name}` | `" in site["reference/environment.md"]


def every_command(
    command: click.Command = cli, path: str = "workerkit"
) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), name)
            assert inner is not None
            yield from every_command(inner, f"{path} {name}")


@pytest.mark.parametrize(("path", "command"), [pytest.param(*pair, id=pair[0]) for pair in every_command()])
def test_a_command_is_there_with_every_option_and_its_help(
    site: Mapping[str, str], path: str, command: click.Command
) -> None:
    text = section(site["reference/commands.md"], path.replace(" ", "-"))

    assert f"# `{path}` " in text.splitlines()[0]
    assert (command.help or "").split(".")[0].split("\n")[0] in text
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            [row] = [line for line in text.splitlines() if line.startswith(f"| `{', '.join(parameter.opts)}")]
            assert not parameter.help or parameter.help.split("|")[0] in html.unescape(row)
        else:
            assert parameter.make_metavar(click.Context(command)) in text


@pytest.mark.parametrize("name", [n for n in workerkit.__all__ if not hasattr(errors, n)])
def test_a_public_name_is_there(site: Mapping[str, str], name: str) -> None:
    assert_told(site["reference/python.md"], name, getattr(workerkit, name))


def public_elsewhere() -> list[tuple[str, str]]:
    modules = {name: f"workerkit.{name}" for name in ("testing", "queue", "guard", "signing")}
    return [
        (page, name) for page, module in modules.items() for name in importlib.import_module(module).__all__
    ]


@pytest.mark.parametrize(("page", "name"), public_elsewhere())
def test_a_public_name_of_a_package_within_is_there(site: Mapping[str, str], page: str, name: str) -> None:
    value = getattr(importlib.import_module(f"workerkit.{page}"), name)
    assert_told(site[f"reference/{page}.md"], name, value)


@pytest.mark.parametrize(
    "error", [e for e in vars(errors).values() if inspect.isclass(e) and issubclass(e, Exception)]
)
def test_an_error_is_there(site: Mapping[str, str], error: type[Exception]) -> None:
    assert_told(site["reference/errors.md"], error.__name__, error)


@pytest.mark.parametrize("hook", HOOKS)
def test_an_idea_leads_to_each_hook(site: Mapping[str, str], hook: str) -> None:
    rows = [line for line in site["how-to/choose.md"].splitlines() if line.startswith("| ")]

    assert any(f"](../hooks.md#{hook})" in row.split(" | ")[1] for row in rows)


@pytest.mark.parametrize(
    "page", [DOCS / "index.md", DOCS / "hooks.md", DOCS / "tutorial.md", ROOT / "README.md"]
)
def test_whoever_looks_for_a_hook_is_led_to_the_ideas(page: Path) -> None:
    assert "how-to/choose.md)" in page.read_text(encoding="utf-8")


def test_a_profile_is_shown_with_all_that_it_sets(site: Mapping[str, str]) -> None:
    for section_, values in RUNPOD.items():
        for name, value in values.items():
            assert f"| `[{section_}] {name}` | `{value}` | `" in site["how-to/profiles.md"]


def test_what_a_command_prints_does_not_depend_on_what_else_is_installed(
    site: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = tmp_path / "stranger-1.dist-info"
    stranger.mkdir()
    (stranger / "METADATA").write_text("Name: stranger\nVersion: 1\n")
    (stranger / "entry_points.txt").write_text("[workerkit]\nstranger = stranger:Stranger\n")
    (tmp_path / "stranger.py").write_text("class Stranger: ...\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("WORKERKIT_WEBHOOK__ATTEMPTS", "9")
    monkeypatch.setenv("FORCE_COLOR", "1")

    assert pages()["how-to/inspect.md"] == site["how-to/inspect.md"]
    assert "stranger" not in site["how-to/inspect.md"]


def test_a_path_in_what_is_printed_is_short_and_the_columns_beside_it_are_in_line(
    site: Mapping[str, str],
) -> None:
    lines = site["how-to/inspect.md"].splitlines()
    at = lines.index("    attempts = 3")

    assert lines[at + 1 : at + 4] == [
        "      WORKERKIT_WEBHOOK__ATTEMPTS  not set",
        "      workerkit.toml               3",
        "      default                      2",
    ]
    assert str(DOCS) not in site["how-to/inspect.md"]


def test_workerkit_is_installed_from_the_clone_and_one_place_says_what_changes(
    site: Mapping[str, str],
) -> None:
    told = {name: text for name, text in site.items() if re.search(r"pip install \"?workerkit(?!-)\b", text)}

    assert sorted(told) == ["how-to/test.md", "index.md"]
    assert '"workerkit[testing] @ file://' in told["how-to/test.md"]
    assert told["index.md"].index("pip install ~/workerkit") < told["index.md"].index(
        "pip install workerkit`"
    )


def test_a_method_whose_signature_has_several_lines_has_it_in_one_block(site: Mapping[str, str]) -> None:
    text = section(site["reference/python.md"], "Bucket")

    assert "\n\n```python\nupload(\n    source: Source,\n" in text
    assert "\n) -> str\n```\n:   Store a file" in text
    assert "\n\n`presign(key: str, expires: float = 3600) -> str`\n:   A URL" in text
    assert not [page for page, text in site.items() if re.search(r"^`[\w.]+\($", text, re.MULTILINE)]


def assert_told(page: str, name: str, value: object) -> None:
    """It has a heading; a class or function has its own words too."""
    text = section(page, name.strip("_"))
    if callable(value):
        assert (inspect.getdoc(value) or "no words of its own").splitlines()[0] in text


def test_no_page_asks_for_something_that_is_not_made(site: Mapping[str, str]) -> None:
    assert [name for name, text in site.items() if "<!-- made:" in text] == []


@pytest.mark.parametrize("page", NAMES)
def test_links_between_pages_lead_somewhere(site: Mapping[str, str], page: str) -> None:
    for link in LINK.findall(FENCE.sub("", site[page])):
        if link.startswith(("http://", "https://")):
            continue
        place, _, anchor = link.partition("#")
        target = ((DOCS / page).parent / place).resolve() if place else DOCS / page
        assert target.is_file(), link
        if anchor:
            assert anchor in anchors(site[target.relative_to(DOCS).as_posix()]), link


@pytest.mark.parametrize("page", NAMES)
def test_lines_are_at_most_140_characters_long(page: str) -> None:
    written = (DOCS / page).read_text(encoding="utf-8")

    assert [line for line in written.splitlines() if len(line) > 140 and not line.startswith("|")] == []
