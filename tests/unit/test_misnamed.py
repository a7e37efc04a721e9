"""Settings of plugins for functions that are not there."""

from __future__ import annotations

from workerkit.hooks import LoadedPlugin
from workerkit.host.misnamed import misnamed


def test_each_name_that_no_function_has_is_told_with_the_one_that_was_meant() -> None:
    plugins = [
        LoadedPlugin(name="webhook", plugin=None, settings={"endpoints": {"rendr": {}, "render": {}}}),
        LoadedPlugin(name="mail", plugin=None, settings={"endpoints": ["rendr"]}),
        LoadedPlugin(name="none", plugin=None),
    ]

    assert list(misnamed(plugins, ["render", "caption"])) == [
        "[plugin.webhook.endpoints.rendr] has no effect: there is no function 'rendr'; "
        "did you mean 'render'? (known: caption, render)"
    ]
