"""What each parameter of a handler is filled with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from workerkit import Job, Resource, WorkerkitError, worker_function

if TYPE_CHECKING:
    import workerkit.job as for_checkers


class Camera(Resource):
    """Something a plugin provides."""


def a_job(*resources: object, input: Any = None) -> Job:
    job = Job(id="j", endpoint="f", input={"n": 1} if input is None else input)
    for resource in resources:
        job.provide(resource)
    return job


def called(function: Callable[..., Any], job: Job) -> Any:
    args, kwargs = worker_function(function).bind(job)
    return function(*args, **kwargs)


def usage(function: Callable[..., Any]) -> str:
    return worker_function(function).descriptor().usage


def by_name(job):  # type: ignore[no-untyped-def]
    return job


def by_runpods_name(event):  # type: ignore[no-untyped-def]
    return event


def by_a_name_whose_annotation_is_nowhere(event: for_checkers.Job) -> Any:
    return event


def by_being_alone(request):  # type: ignore[no-untyped-def]
    return request


def by_annotation(one: Job) -> Job:
    return one


def by_an_annotation_for_checkers(one: for_checkers.Job) -> Any:
    return one


def by_an_annotation_with_more(one: Annotated[Job, "a note"]) -> Job:
    return one


def by_keyword(*, job: Job) -> Job:
    return job


def beside_a_default(verbose=False, *, job):  # type: ignore[no-untyped-def]
    return verbose or job


def after_a_default_by_position(verbose=False, job=None, /):  # type: ignore[no-untyped-def]
    return verbose or job


def with_variadics(job: Job, *args: Any, **kwargs: Any) -> Job:
    assert not args
    assert not kwargs
    return job


@pytest.mark.parametrize(
    "function",
    [
        by_name,
        by_runpods_name,
        by_a_name_whose_annotation_is_nowhere,
        by_being_alone,
        by_annotation,
        by_an_annotation_for_checkers,
        by_an_annotation_with_more,
        by_keyword,
        beside_a_default,
        after_a_default_by_position,
        with_variadics,
    ],
    ids=lambda function: function.__name__,
)
def test_the_job_goes_to_the_parameter_that_asks_for_it(function: Callable[..., Any]) -> None:
    job = a_job()
    assert called(function, job) is job
    assert worker_function(function).descriptor().schema == ""


def takes_a_camera(camera: Camera, job: Job, *, spare: Camera) -> tuple[Camera, Job, Camera]:
    return camera, job, spare


def test_resources_are_injected_by_their_type() -> None:
    camera = Camera()
    job = a_job(camera)
    assert called(takes_a_camera, job) == (camera, job, camera)
    assert usage(takes_a_camera) == "takes_a_camera(Camera, Job, spare=Camera)"


def test_a_resource_that_nobody_provided_is_named() -> None:
    with pytest.raises(WorkerkitError, match="no plugin provided a Camera for this job"):
        worker_function(takes_a_camera).bind(a_job())


def may_take_a_camera(
    camera: Camera | None,
    spare: Camera | None = None,
    *,
    last: Annotated[Camera | None, "a note"] = None,
    plain: Camera = None,  # type: ignore[assignment]
) -> list[Camera | None]:
    return [camera, spare, last, plain]


def test_a_resource_that_may_be_none_is_none_where_nobody_provided_it() -> None:
    camera = Camera()
    assert called(may_take_a_camera, a_job(camera, input={})) == [camera] * 4
    assert called(may_take_a_camera, a_job(input={})) == [None] * 4
    assert usage(may_take_a_camera) == (
        "may_take_a_camera(Camera | None, Camera | None, last=Camera | None, plain=Camera | None)"
    )


def everything(  # type: ignore[no-untyped-def]
    job, camera: Camera, prompt: str, /, steps: int = 20, *, seed: int | None = None, old=1, **more: int
):
    return job.id, camera, prompt, steps, seed, old, more


def test_job_resources_and_keys_of_the_input_go_together() -> None:
    camera = Camera()
    job = a_job(camera, input={"prompt": "x", "seed": 7, "left": 1, "right": 2})
    assert called(everything, job) == ("j", camera, "x", 20, 7, 1, {"left": 1, "right": 2})
    assert usage(everything) == (
        "everything(Job, Camera, prompt: str, steps: int = 20, seed: int | None = None, **more)"
    )


def add(a, b=2, *, c):  # type: ignore[no-untyped-def]
    return a + b + c


def test_names_without_annotations_are_keys_that_take_anything_where_none_is_the_job() -> None:
    assert called(add, a_job(input={"a": 1, "c": 3})) == 6
    assert called(add, a_job(input={"a": "1", "b": "2", "c": "3"})) == "123"
    assert usage(add) == "add(a, b = 2, c)"


def beside_the_job(job, prompt):  # type: ignore[no-untyped-def]
    return job.id, prompt


def test_a_bare_name_beside_a_job_is_a_key() -> None:
    assert called(beside_the_job, a_job(input={"prompt": "x"})) == ("j", "x")


def only_others(**event):  # type: ignore[no-untyped-def]
    return event


def only_a_camera(camera: Camera) -> Camera:
    return camera


def test_a_function_may_take_every_key_or_none() -> None:
    camera = Camera()
    assert called(only_others, a_job(input={"self": 1, "b c": 2})) == {"self": 1, "b c": 2}
    assert called(only_a_camera, a_job(camera, input={})) is camera
    with pytest.raises(WorkerkitError, match=r"^input\.n is unknown \(known: none\)$"):
        called(only_a_camera, a_job(camera))


def shows(a: list[int] = [1, 2], b: str = "x" * 100, c: Any = object(), d: int | None = None) -> None: ...  # noqa: B006, B008


def test_a_long_default_is_not_shown() -> None:
    assert usage(shows) == "shows(a: list[int] = ..., b: str = ..., c: Any = ..., d: int | None = None)"
