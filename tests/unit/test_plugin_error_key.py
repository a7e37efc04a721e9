from __future__ import annotations

import pytest

from workerkit import Job, JobFailed, Output
from workerkit.bridge import Bridge
from workerkit.hooks import Hooks, LoadedPlugin
from workerkit_plugins.error_key import ErrorKey
from workerkit_plugins.refresh import Refresh, RefreshSettings


@pytest.mark.parametrize(
    ("value", "text", "rest"),
    [
        ({"error": "out of memory"}, "out of memory", None),
        ({"error": {"code": 3}}, '{"code": 3}', None),
        ({"error": ["a", "ü"], "seed": 7}, '["a", "ü"]', {"seed": 7}),
        ({"error": ValueError("boom")}, '"boom"', None),
    ],
)
def test_a_truthy_error_fails_the_job_with_its_text(value: object, text: str, rest: object) -> None:
    with pytest.raises(JobFailed) as caught:
        ErrorKey().on_output(Output(value))
    assert (caught.value.message, caught.value.output) == (text, rest)


@pytest.mark.parametrize("value", [{"error": None}, {"error": ""}, {"fine": 1}, "error", None, ["error"]])
def test_anything_else_is_no_error(value: object) -> None:
    output = Output(value)
    ErrorKey().on_output(output)
    assert output.value is value


def test_an_error_and_a_refresh_in_one_dict_do_both() -> None:
    plugins = [Refresh(RefreshSettings()), ErrorKey()]
    hooks = Hooks([LoadedPlugin(name=str(n), plugin=p) for n, p in enumerate(plugins)], Bridge())
    job = Job(id="j", endpoint="e", input={})

    with pytest.raises(JobFailed) as caught:
        hooks.on_output(job, Output({"error": "broken", "refresh_worker": True}))

    assert (caught.value.message, caught.value.output) == ("broken", None)
    assert job.refresh_reason == "flag: asked by the handler"
