"""Functions that distributions offer by entry point: chosen by the host, loaded by reference in a worker."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workerkit import TargetError
from workerkit.handlers import installed_target, refs_of, shown
from workerkit.target import load_target

PAINT = """
from workerkit import worker_function

@worker_function
def render(job):
    return 1

@worker_function(name="caption")
def describe(job):
    return 2

def helper(job):
    return 3
"""

Install = Callable[..., None]


@pytest.fixture
def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a distribution of functions into a folder on the path, as a wheel would."""
    site = folder / "site"
    site.mkdir()
    (site / "paint.py").write_text(PAINT)
    monkeypatch.syspath_prepend(str(site))

    def install(dist: str, **points: str) -> None:
        info = site / f"{dist.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.2\n")
        lines = [f"{name} = {ref}" for name, ref in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[workerkit.functions]", *lines]))

    return install


def refusal(*names: str, autoload: bool | tuple[str, ...] = True) -> str:
    with pytest.raises(TargetError) as caught:
        load_target(installed_target(names, autoload))
    return str(caught.value)


def test_all_trusted_functions_are_served_in_alphabetical_order(install: Install) -> None:
    install("studio", render="paint:render", caption="paint:describe")

    target = installed_target((), True)

    assert target == "installed:caption=paint:describe,render=paint:render"
    assert list(load_target(target).functions) == ["caption", "render"]


def test_named_functions_are_served_in_the_order_of_their_names_and_once(install: Install) -> None:
    install("studio", render="paint:render", caption="paint:describe")

    assert list(refs_of(installed_target(("render", "caption", "render"), True))) == ["render", "caption"]
    assert list(load_target(installed_target(("render",), True)).functions) == ["render"]


def test_to_name_a_function_is_to_trust_it(install: Install) -> None:
    install("studio", render="paint:render")

    assert load_target(installed_target(("render",), False)).functions


def test_what_is_not_trusted_is_left_out_and_the_log_says_how_to_have_it(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install("studio", render="paint:render")
    install("acme-text", caption="paint:describe")

    with caplog.at_level(logging.WARNING):
        target = installed_target((), ("studio",))

    assert list(refs_of(target)) == ["render"]
    assert caplog.messages == [
        "not served: function 'caption' of acme-text 1.2 (paint:describe); "
        "let [plugins] autoload name 'acme-text', or ask for it: --installed caption"
    ]


def test_nothing_trusted_is_an_error_that_names_the_functions(install: Install) -> None:
    install("studio", render="paint:render", caption="paint:describe")

    assert refusal(autoload=False) == (
        "[plugins] autoload trusts no distribution that offers a function; let it name one, "
        "or ask for functions by name: --installed caption render"
    )


def test_nothing_installed_says_how_a_distribution_offers_a_function() -> None:
    assert refusal() == (
        "no installed distribution offers a function; install one that does, which says so in its pyproject.toml: "
        '[project.entry-points."workerkit.functions"] render = "my_package:render"'
    )


def test_an_unknown_name_gets_a_suggestion(install: Install) -> None:
    install("studio", render="paint:render", caption="paint:describe")

    assert refusal("rendr") == (
        "no installed function is named 'rendr'; did you mean 'render'? (known: caption, render)"
    )


def test_two_distributions_with_one_function_are_both_named(install: Install) -> None:
    install("studio", render="paint:render")
    install("acme", render="acme_paint:render")

    for names in ((), ("render",)):
        sentence = refusal(*names)
        assert "function 'render' of studio 1.2 (paint:render)" in sentence
        assert "function 'render' of acme 1.2 (acme_paint:render)" in sentence
        assert "uninstall one of them, or serve one by its module: workerkit serve " in sentence


def test_a_newcomer_does_not_take_the_name_of_what_is_trusted(install: Install) -> None:
    install("studio", render="paint:render")
    install("acme", render="acme_paint:render")

    for names in ((), ("render",)):
        assert installed_target(names, ("studio",)) == "installed:render=paint:render"


@pytest.mark.parametrize(("name", "ref"), [("my render", "paint:render"), ("render", "paint")])
def test_an_entry_point_that_cannot_be_a_function_is_its_authors_to_mend(
    install: Install, name: str, ref: str
) -> None:
    install("studio", **{name: ref})

    assert f"function {name!r} of studio 1.2 ({ref}) cannot be served; its author must write" in refusal()


def test_a_function_of_another_name_is_an_error_that_says_both(install: Install) -> None:
    install("studio", describe="paint:describe")

    sentence = refusal("describe")

    assert sentence.startswith(
        "function 'describe' of studio 1.2 (paint:describe) cannot be served: the function is named 'caption' "
        "and its entry point 'describe'; give both one name, "
        'with @worker_function(name="describe") or caption = "paint:describe"'
    )


@pytest.mark.parametrize(
    ("ref", "sentence"),
    [
        ("paint:rendr", "paint has no function 'rendr'; did you mean 'render'? (known: describe, render)"),
        ("paint:helper", "helper in paint is not decorated; put @worker_function above it"),
        ("broken:render", "broken cannot be imported: RuntimeError: no GPU (line 2 of "),
        ("nowhere:render", "nowhere cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
    ],
)
def test_what_cannot_be_loaded_names_distribution_function_and_cure(
    install: Install, folder: Path, ref: str, sentence: str
) -> None:
    (folder / "site" / "broken.py").write_text("x = 1\nraise RuntimeError('no GPU')\n")
    install("studio", render=ref)

    said = refusal("render")

    assert said.startswith(f"function 'render' of studio 1.2 ({ref}) cannot be served: {sentence}")
    assert said.endswith("update studio, or leave the function out and name others after --installed")


def test_a_distribution_that_went_since_the_start_is_said_to_be_gone(install: Install) -> None:
    with pytest.raises(
        TargetError, match=r"function 'render' of a distribution that is gone \(nowhere:render\)"
    ):
        load_target("installed:render=nowhere:render")


def test_loading_leaves_the_import_path_as_it_is(install: Install) -> None:
    install("studio", render="paint:render")
    before = list(sys.path)

    load_target(installed_target((), True))

    assert sys.path == before


def test_people_read_distributions_and_functions_and_never_the_reference(install: Install) -> None:
    install("studio", render="paint:render", caption="paint:describe")
    install("acme", thumb="acme_paint:thumb")

    assert shown(installed_target((), True)) == "studio 1.2 (caption, render) and acme 1.2 (thumb)"
    assert shown("handler.py:render") == "handler.py:render"


def test_a_module_that_is_called_installed_is_a_module(folder: Path) -> None:
    (folder / "installed.py").write_text(PAINT)

    assert list(load_target("installed:render").functions) == ["render"]
