from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from worker_host import WAIT, Host, worker_in
from workerkit.wire import PROTOCOL, Assign, PluginRef, Start, Unfit


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with worker_in(tmp_path) as host:
        yield host


def unfit(host: Host) -> str:
    frame = host.receive()
    assert isinstance(frame, Unfit)
    assert host.process.wait(WAIT) == 3
    return frame.reason


def test_a_target_that_does_not_import_makes_the_worker_unfit_with_line_and_traceback(
    host: Host, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("\nraise RuntimeError('no weights')\n")
    host.start("broken.py")
    first, *trace = unfit(host).splitlines()
    assert first.endswith(f"RuntimeError: no weights (line 2 of {tmp_path.resolve() / 'broken.py'})")
    assert trace[-1] == "RuntimeError: no weights"


def test_a_missing_target_makes_the_worker_unfit_with_a_suggestion(host: Host) -> None:
    host.start("handler.py")
    assert unfit(host).startswith("the file handler.py does not exist; did you mean 'handlers.py'?")


def test_a_plugin_that_does_not_load_makes_the_worker_unfit(host: Host) -> None:
    host.start(plugins=(PluginRef("camera", "camera_plugin:Camra"),))
    assert "camera_plugin" in unfit(host)


def test_a_plugin_that_refuses_to_start_makes_the_worker_unfit(host: Host) -> None:
    host.start(plugins=(PluginRef("gpu", "camera_plugin:Broken"),))
    host.receive()
    host.send(Assign("echo", 1))
    assert unfit(host).splitlines()[0] == "plugin 'gpu' failed in worker_start: RuntimeError: no GPU"


def test_a_plugin_that_finds_the_worker_unfit_says_that_another_try_may_do(
    host: Host, tmp_path: Path
) -> None:
    (tmp_path / "heat.py").write_text(
        "from workerkit import Unfit, hookimpl\n"
        "@hookimpl\n"
        "def worker_start(worker):\n"
        "    raise Unfit('the GPU is hot')\n"
    )
    host.start(plugins=(PluginRef("heat", "heat"),))
    host.receive()
    host.send(Assign("echo", 1))
    assert host.receive() == Unfit("plugin 'heat': the GPU is hot", passing=True)
    assert host.process.wait(WAIT) == 3


def test_an_unknown_function_makes_the_worker_unfit(host: Host) -> None:
    host.start()
    host.receive()
    host.send(Assign("ecko", 1))
    assert unfit(host).startswith("handlers.py has no function 'ecko'; did you mean 'echo'?")


def test_another_protocol_makes_the_worker_unfit(host: Host) -> None:
    host.send(Start(PROTOCOL + 1, "w1", "handlers.py", [], 1, 1, 1))
    assert "install the same version of workerkit for both" in unfit(host)
