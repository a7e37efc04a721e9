"""Typed input: what fits reaches the handler as its types say, and what does not is told with its place."""

from __future__ import annotations

import asyncio
import enum
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import attrs
import msgspec
import pytest

from workerkit import InputFile, InputFiles, Job, Status, hookimpl, worker_function
from workerkit.testing import run_job


class Size(TypedDict):
    width: int
    height: int


@attrs.frozen
class Lens:
    focus: Annotated[float, msgspec.Meta(gt=0)]
    photo: InputFile | None = None

    def __attrs_post_init__(self) -> None:
        if self.focus > 1000:
            raise ValueError("focus is a telescope's")


@dataclass
class Camera:
    lens: Lens
    tags: list[str] = field(default_factory=list)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


PALETTE = [Colour.RED]


@worker_function(retries=3)
def render(
    prompt: str,
    size: Size | None = None,
    camera: Camera | None = None,
    cameras: dict[str, Camera] = {},  # noqa: B006
    colours: list[Colour] = PALETTE,
    mode: Literal["fast", "slow"] = "fast",
    steps: Annotated[int, msgspec.Meta(ge=1, description="More are better.")] = 20,
    when: datetime | None = None,
    by_number: dict[int, str] = {},  # noqa: B006
    images: list[InputFile] = [],  # noqa: B006
) -> dict[str, Any]:
    """Render a picture."""
    return {name: repr(value) for name, value in locals().items()}


def failure(input: Any, function: Any = render) -> str | None:
    run = run_job(function, input, builtins=False)
    assert (run.status, run.output) == (Status.FAILED, None)
    assert run.result.attempt == 1
    return run.error


def test_values_come_as_their_types_and_defaults_as_they_are() -> None:
    sent = {
        "prompt": "x",
        "size": {"width": 1, "height": 2},
        "cameras": {"left": {"lens": {"focus": 2}}},
        "colours": ["blue"],
        "mode": "slow",
        "when": "2026-01-02T03:04:05",
        "by_number": {"5": "five"},
    }
    run = run_job(render, sent, builtins=False)
    assert run.output == {
        "prompt": "'x'",
        "size": "{'width': 1, 'height': 2}",
        "camera": "None",
        "cameras": "{'left': Camera(lens=Lens(focus=2.0, photo=None), tags=[])}",
        "colours": "[<Colour.BLUE: 'blue'>]",
        "mode": "'slow'",
        "steps": "20",
        "when": "datetime.datetime(2026, 1, 2, 3, 4, 5)",
        "by_number": "{5: 'five'}",
        "images": "[]",
    }


def test_a_default_is_the_functions_own_object() -> None:
    _, given = worker_function(lambda_like).bind(Job(id="j", endpoint="f", input={}))
    assert given["palette"] is PALETTE


def lambda_like(*, palette: list[Colour] = PALETTE) -> None: ...


@pytest.mark.parametrize(
    ("input", "sentence"),
    [
        ([], "input is not valid: expected object, got array"),
        (None, "input is not valid: expected object, got null"),
        ("x", "input is not valid: expected object, got str"),
        ({}, "input.prompt is missing"),
        ({"prompt": 1}, "input.prompt is not valid: expected str, got int"),
        ({"prompt": None}, "input.prompt is not valid: expected str, got null"),
        ({"prompt": "x", "steps": "5"}, "input.steps is not valid: expected int, got str"),
        ({"prompt": "x", "steps": True}, "input.steps is not valid: expected int, got bool"),
        ({"prompt": "x", "steps": 0}, "input.steps is not valid: expected int >= 1"),
        ({"prompt": "x", "mode": "best"}, "input.mode is not valid: 'best' is none of 'fast', 'slow'"),
        (
            {"prompt": "x", "colours": ["red", "grey"]},
            "input.colours[1] is not valid: 'grey' is none of 'red', 'blue'",
        ),
        ({"prompt": "x", "size": {"width": 1}}, "input.size.height is missing"),
        ({"prompt": "x", "camera": {"lens": {}}}, "input.camera.lens.focus is missing"),
        ({"prompt": "x", "camera": {"lens": {"photo": None}}}, "input.camera.lens.focus is missing"),
        (
            {"prompt": "x", "cameras": {"a": {"lens": {"focus": 1}}}, "camera": {"lens": {"fokus": 1}}},
            "input.camera.lens.focus is missing; did you mean it by 'fokus'?",
        ),
        (
            {"prompt": "x", "cameras": {"a": {"lens": {"focus": 1}}, "b": {"lens": {"focus": 0}}}},
            "input.cameras.b.lens.focus is not valid: expected float > 0.0",
        ),
        (
            {"prompt": "x", "camera": {"lens": {"focus": 2000}}},
            "input.camera.lens is not valid: focus is a telescope's",
        ),
        (
            {"prompt": "x", "by_number": {"a": "b"}},
            "input.by_number is not valid: one of its keys: expected int, got str",
        ),
        (
            {"prompt": "x", "images": ["https://a", {}]},
            "input.images[1] is not valid: expected str, got object",
        ),
        (
            {"prompt": "x", "camera": {"lens": {"focus": 1, "photo": 5}}},
            "input.camera.lens.photo is not valid: expected str, got int",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(input: Any, sentence: str) -> None:
    assert failure(input) == sentence


KNOWN = "(known: by_number, camera, cameras, colours, images, mode, prompt, size, steps, when)"


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("promt", f"input.promt is unknown; did you mean 'prompt'? {KNOWN}"),
        ("a b", f"input['a b'] is unknown {KNOWN}"),
        ("x" * 1_000_000, f"input['{'x' * 60}…'] is unknown {KNOWN}"),
    ],
    ids=["near", "no name", "long"],
)
def test_an_unknown_key_is_told_before_a_missing_one(key: str, sentence: str) -> None:
    assert failure({key: 1}) == sentence


def sums(job: Job, a: int, /, **others: int) -> int:
    return a + sum(others.values())


def test_other_keys_go_where_there_is_a_place_for_them() -> None:
    assert run_job(sums, {"a": 1, "b": 2, "c": 3}, builtins=False).output == 6
    assert failure({"a": 1, "b": "2"}, sums) == "input.b is not valid: expected int, got str"
    assert failure({"a": 1, "job": 2}, sums) == "input.job is unknown (known: a)"


class Fetches(InputFiles):
    def __init__(self, folder: Path) -> None:
        self.calls: list[list[str]] = []
        self._folder = folder

    def fetch(self, files: Sequence[InputFile]) -> None:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        self.calls.append([file.url for file in files])
        for number, file in enumerate(files):
            file.path = self._folder / str(number)
            file.path.write_text(file.url)


class Provides:
    def __init__(self, folder: Path) -> None:
        self.files = Fetches(folder)

    @hookimpl
    def pre_job(self, job: Job) -> None:
        job.provide(self.files)


def plain(one: InputFile, camera: Camera | None = None, **more: list[InputFile]) -> list[str]:
    photo = [camera.lens.photo] if camera and camera.lens.photo else []
    return [file.path.read_text() for file in (one, *photo, *(f for many in more.values() for f in many))]


async def coroutine(one: InputFile, camera: Camera | None = None, **more: list[InputFile]) -> list[str]:
    return plain(one, camera, **more)


async def generator(
    one: InputFile, camera: Camera | None = None, **more: list[InputFile]
) -> AsyncGenerator[str, None]:
    for text in plain(one, camera, **more):
        yield text


@pytest.mark.parametrize("function", [plain, coroutine, generator])
def test_all_files_are_fetched_at_once_before_the_handler_begins(function: Any, tmp_path: Path) -> None:
    plugin = Provides(tmp_path)
    urls = ["https://a", "s3://b/c", "data:,d", "https://e"]
    sent = {"one": urls[0], "camera": {"lens": {"focus": 1, "photo": urls[1]}}, "more": urls[2:]}

    run = run_job(function, sent, plugins=[plugin], builtins=False)

    assert run.output == urls, run
    assert plugin.files.calls == [urls]


def test_nothing_is_fetched_when_there_is_no_file_or_the_input_does_not_fit(tmp_path: Path) -> None:
    plugin = Provides(tmp_path)
    assert run_job(render, {"prompt": "x"}, plugins=[plugin], builtins=False).status is Status.COMPLETED
    late = {"prompt": "x", "images": ["https://a", 1]}
    assert run_job(render, late, plugins=[plugin], builtins=False).status is Status.FAILED
    assert plugin.files.calls == []


def test_without_somebody_to_fetch_files_the_job_says_who_would() -> None:
    run = run_job(plain, {"one": "https://a"}, builtins=False)
    assert run.error == (
        "no plugin provided a InputFiles for this job; the plugin `files` fetches files; "
        "`workerkit plugins` shows whether it is active"
    )


def test_the_schema_has_all_that_a_caller_must_know() -> None:
    told = json.loads(render.descriptor().schema)

    assert (told["title"], told["description"], told["type"]) == ("render", "Render a picture.", "object")
    assert (told["required"], told["additionalProperties"]) == (["prompt"], False)
    assert told["properties"]["steps"] == {
        "type": "integer",
        "minimum": 1,
        "description": "More are better.",
        "default": 20,
    }
    assert told["properties"]["colours"] == {
        "type": "array",
        "items": {"$ref": "#/$defs/Colour"},
        "default": ["red"],
    }
    assert told["properties"]["images"]["items"] == {"type": "string", "format": "uri"}
    assert told["$defs"]["Lens"]["required"] == ["focus"]


def test_the_schema_of_other_keys_and_of_a_default_that_json_cannot_hold() -> None:
    def render(model: Any = object(), **others: Annotated[int, msgspec.Meta(ge=0)]) -> None: ...  # noqa: B008

    told = json.loads(worker_function(render).descriptor().schema)
    assert told["additionalProperties"] == {"type": "integer", "minimum": 0}
    assert told["properties"] == {"model": {}}
