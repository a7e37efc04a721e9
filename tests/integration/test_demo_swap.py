from __future__ import annotations

import os
import sysconfig
from collections.abc import Callable
from pathlib import Path

from environments import Environment

TOUR = Path(__file__).parents[2] / "examples" / "demo" / "tour.py"


def test_installing_a_plugin_changes_what_the_demos_receiver_gets(
    installed: Callable[[str], Environment], tmp_path: Path
) -> None:
    environment = installed("workerkit-cloudevents")
    # The demo's S3 server is where the tests run.
    path = os.pathsep.join([environment.environ["PATH"], sysconfig.get_path("scripts")])

    done = environment.run(environment.python, TOUR, env={"PATH": path, "TMPDIR": str(tmp_path)})

    assert done.returncode == 0, done.stdout + done.stderr
    assert "sent by workerkit_cloudevents:CloudEvents of workerkit-cloudevents 1.2.0" in done.stdout
    assert "Content-Type: application/cloudevents+json" in done.stdout
    assert "its data is the object that GET /status answered" in done.stdout
