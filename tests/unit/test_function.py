from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import pytest

import workerkit
from workerkit import Job, Resource, TargetError, worker_function


class Camera(Resource):
    """Something a plugin provides."""


def refusal(function: Callable[..., Any], **options: Any) -> str:
    with pytest.raises(TargetError) as caught:
        worker_function(**options)(function)
    return str(caught.value)


def test_a_decorated_function_is_still_the_plain_function() -> None:
    @worker_function
    def double(job: dict[str, int], by: int = 2) -> int:
        """Doubles."""
        return job["n"] * by

    assert double({"n": 4}) == 8
    assert double({"n": 4}, by=3) == 12
    assert double.__doc__ == "Doubles."
    assert str(inspect.signature(double)) == "(job: 'dict[str, int]', by: 'int' = 2) -> 'int'"


def test_the_four_kinds_are_told_apart() -> None:
    def plain(job: Job) -> None: ...

    async def coroutine(job: Job) -> None: ...

    def generator(job: Job) -> Generator[int, None, None]:
        yield 1

    async def async_generator(job: Job) -> AsyncGenerator[int, None]:
        yield 1

    kinds = [worker_function(f).kind for f in (plain, coroutine, generator, async_generator)]
    assert kinds == ["function", "coroutine", "generator", "async_generator"]


def test_the_name_is_the_functions_own_or_the_one_given() -> None:
    def render(job: Job) -> None: ...

    assert worker_function(render).name == "render"
    assert worker_function(name="render-v2")(render).name == "render-v2"


def test_the_descriptor_says_what_the_options_say() -> None:
    @worker_function(timeout=1.5, concurrency=4, max_starts=2, aggregate=False, version="7")
    def render(job: Job, camera: Camera) -> None: ...

    told = render.descriptor()
    assert (told.name, told.kind, told.concurrency, told.timeout) == ("render", "function", 4, 1500)
    assert (told.max_starts, told.aggregate, told.version) == (2, False, "7")
    assert told.usage == "render(Job, Camera)"


def test_the_version_changes_with_the_source_file() -> None:
    @worker_function
    def render(job: Job) -> None: ...

    assert len(render.descriptor().version) == 12


def test_runs_after_a_failed_one_are_the_hosts_to_decide_unless_they_are_given() -> None:
    def render(job: Job) -> None: ...

    told = worker_function(render).descriptor()
    given = worker_function(retries=0, retry_delay=0.25)(render).descriptor()
    assert (told.retries, told.retry_delay) == (None, 1000)
    assert (given.retries, given.retry_delay) == (0, 250)


def test_a_function_says_how_many_jobs_its_worker_runs() -> None:
    @worker_function(concurrency=lambda current: current + 2)
    def render(job: Job) -> None: ...

    assert render.descriptor().concurrency == 3
    assert render.elastic is not None
    assert render.elastic.wanted(3) == 5
    assert worker_function(by_name).elastic is None


def by_name(job):  # type: ignore[no-untyped-def]
    return job


def test_only_functions_are_decorated() -> None:
    class Renderer:
        def __call__(self, job: Job) -> None: ...

    assert "@worker_function decorates a function" in refusal(Renderer())
    assert "wrap it in a def" in refusal(Renderer)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "é", "x" * 64])
def test_a_name_that_no_url_holds_is_refused(name: str) -> None:
    assert f"{name!r} cannot be an endpoint's name" in refusal(by_name, name=name)


def test_a_name_has_at_most_63_characters() -> None:
    assert worker_function(name="x" * 63)(by_name).name == "x" * 63


async def later(current: int) -> int:
    return current


CONCURRENCY = (
    "it must be a whole number of at least 1, or a plain function from the current number to another"
)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("timeout", 0, "timeout is 0; it must be a number of seconds above 0"),
        ("timeout", "5", "timeout is '5'; it must be a number of seconds above 0"),
        ("concurrency", 0, f"concurrency is 0; {CONCURRENCY}"),
        ("concurrency", None, f"concurrency is None; {CONCURRENCY}"),
        ("concurrency", True, f"concurrency is True; {CONCURRENCY}"),
        ("concurrency", later, f"concurrency is {later!r}; {CONCURRENCY}"),
        ("timeout", float("inf"), "timeout is inf; it must be a number of seconds above 0"),
        ("retries", -1, "retries is -1; it must be a whole number from 0 to 100"),
        ("retries", 101, "retries is 101; it must be a whole number from 0 to 100"),
        ("retries", 1.0, "retries is 1.0; it must be a whole number from 0 to 100"),
        ("retry_delay", 0, "retry_delay is 0; it must be a number of seconds above 0"),
        ("retry_delay", None, "retry_delay is None; it must be a number of seconds above 0"),
        ("max_starts", 1.5, "max_starts is 1.5; it must be a whole number of at least 1"),
    ],
)
def test_an_option_that_cannot_be_is_refused(option: str, value: Any, sentence: str) -> None:
    assert refusal(by_name, **{option: value}) == f"worker function 'by_name': {sentence}"


def test_start_returns_at_once_in_an_imported_module() -> None:
    function = worker_function(by_name)
    function.start()
    workerkit.start(function)


HANDLER = """
import sys
from workerkit import start, worker_function

@worker_function(name="draw")
def render(job): ...

def shown(event, arguments):
    if event == "os.exec":
        print(*arguments[1][1:], flush=True)
        raise SystemExit(0)

sys.addaudithook(shown)
"""


@pytest.mark.parametrize("call", ["render.start()", "start(render)"])
def test_start_in_a_script_becomes_serve_with_the_scripts_arguments(tmp_path: Path, call: str) -> None:
    handler = tmp_path / "handler.py"
    handler.write_text(HANDLER + call)
    done = subprocess.run(
        [sys.executable, str(handler), "--port", "9"], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.split() == ["-m", "workerkit", "serve", f"{handler}:draw", "--port", "9"]


def test_start_without_a_file_says_what_to_do() -> None:
    code = HANDLER + "render.start()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "save it and run `workerkit serve FILE.py`" in done.stderr


def test_an_option_that_there_is_none_of_is_answered_with_the_nearest() -> None:
    options: dict[str, Any] = {"timout": 3}

    with pytest.raises(TargetError, match=r"has no option .timout.; did you mean .timeout.\?"):
        worker_function(**options)
