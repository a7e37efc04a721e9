"""What the benchmarks say of a process is what it uses."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from suite import usage

from waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counts are read from /proc")
SLEEPING = "import subprocess, sys, time; {}time.sleep(600)"
WITH_CHILD = SLEEPING.format("subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); ")


@pytest.fixture
def parent() -> Iterator[int]:
    """A process with a child."""
    with subprocess.Popen([sys.executable, "-c", WITH_CHILD], start_new_session=True) as process:
        yield process.pid
        os.killpg(process.pid, 9)


def test_a_tree_is_a_process_and_all_below_it(parent: int) -> None:
    until("there is a child", lambda: len(usage.tree(parent)) == 2)
    found = usage.tree(os.getpid())
    assert found[0] == os.getpid()
    assert set(usage.tree(parent)) < set(found)


def test_cpu_time_is_that_of_all_threads_of_all_processes_named(parent: int) -> None:
    until("they sleep", lambda: usage.cpu([parent]) > 0)
    before, began = usage.cpu([os.getpid()]), time.process_time()
    while time.process_time() - began < 0.2:
        pass
    assert usage.cpu([os.getpid()]) - before == pytest.approx(0.2, abs=0.1)
    assert usage.cpu([os.getpid(), parent]) > usage.cpu([os.getpid()])


def test_memory_grows_with_what_is_kept() -> None:
    before = usage.memory(os.getpid())
    kept = bytearray(os.urandom(1 << 20) * 32)
    assert usage.memory(os.getpid()) - before == pytest.approx(len(kept) >> 20, abs=8)


def test_a_process_that_has_gone_uses_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait(20)
    assert usage.cpu([process.pid]) == usage.memory(process.pid) == 0
    assert usage.tree(process.pid) == [process.pid]
