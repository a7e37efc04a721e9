"""`workerkit serve --installed`: functions of distributions, served without a handler file."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from workerkit.testing.server import Server

PAINT = """
import sys
from workerkit import worker_function

@worker_function
def render(job):
    return {"input": job["input"], "first": sys.path[0]}

@worker_function(name="caption")
def describe(job):
    return "a lighthouse"
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with two distributions in it, as pip leaves them, to be put on the import path."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "studio_paint.py").write_text(PAINT)
    for dist, point in (
        ("studio", "render = studio_paint:render"),
        ("acme", "caption = studio_paint:describe"),
    ):
        info = site / f"{dist}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[workerkit.functions]\n{point}\n")
    return site


def served(site: Path, *arguments: str, settings: str = "") -> Server:
    folder = site.parent / "work"
    folder.mkdir(exist_ok=True)
    # It would hide the distribution's module if the working directory came first.
    (folder / "studio_paint.py").write_text("raise RuntimeError('not this one')\n")
    return Server(
        folder, "--installed", arguments=arguments, settings=settings, environ={"PYTHONPATH": str(site)}
    )


def test_all_installed_functions_are_served_and_start_up_says_from_where(site: Path) -> None:
    with served(site) as server:
        assert server.run("caption")["output"] == "a lighthouse"
        assert server.run("render", 1)["output"] == {"input": 1, "first": str(site)}
        log = server.log()

    assert "and loads acme 1.2 (caption) and studio 1.2 (render)\n" in log
    assert "  installed acme 1.2 (caption) and studio 1.2 (render)\n" in log
    assert "installed:" not in log


def test_the_line_to_paste_works(site: Path) -> None:
    with served(site, "render") as server:
        [line] = [line for line in server.log().splitlines() if line.startswith("  curl ")]
        *_, body, url = shlex.split(line)

        status, answer = server.post(url.removeprefix(server.url), body.encode())

        assert (status, answer["output"]["input"]) == (200, json.loads(body)["input"])
        assert server.post("/v2/caption/run", {"input": 1})[0] == 404


def test_a_named_function_is_served_whomever_the_settings_trust(site: Path) -> None:
    with served(site, "caption", settings='[plugins]\nautoload = ["workerkit"]\n') as server:
        assert server.run("caption")["output"] == "a lighthouse"


def test_what_is_not_trusted_is_left_out_with_the_cure_in_the_log(site: Path) -> None:
    with served(site, settings='[plugins]\nautoload = ["workerkit", "studio"]\n') as server:
        assert server.post("/v2/caption/run", {"input": 1})[0] == 404
        assert server.run("render")["status"] == "COMPLETED"
        log = server.log()

    assert (
        "WARNING not served: function 'caption' of acme 1.2 (studio_paint:describe); "
        "let [plugins] autoload name 'acme', or ask for it: --installed caption\n"
    ) in log


def test_a_function_that_cannot_be_imported_stops_the_start_with_who_offers_it(site: Path) -> None:
    (site / "studio_paint.py").write_text("import tourch\n")

    done = subprocess.run(
        [sys.executable, "-m", "workerkit", "serve", "--installed", "render", "--port", "0"],
        cwd=site.parent,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 3
    [said] = [line for line in done.stderr.splitlines() if line.startswith("workerkit: ")]
    assert said.startswith(
        "workerkit: function 'render' of studio 1.2 (studio_paint:render) cannot be served: "
        "studio_paint cannot be imported: ModuleNotFoundError: No module named 'tourch'"
    )
    assert f"(line 1 of {site / 'studio_paint.py'}); install it for {sys.executable}" in said
    assert said.endswith("update studio, or leave the function out and name others after --installed")


def test_jobs_of_a_function_that_is_not_served_any_more_are_told(site: Path) -> None:
    with served(site, "--workers", "caption=0,render=1") as server:
        waiting = server.submit("caption")

    with served(site, "render") as server:
        assert "jobs that wait for 'caption', which studio 1.2 (render) does not hold: 1" in server.log()

    with served(site, "caption") as server:
        assert server.wait("caption", waiting)["status"] == "COMPLETED"
