"""What is killed with a worker, and what is not. The host is a script, since being a subreaper is for good."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap

import pytest

BEGIN = """
import os, signal, subprocess, sys, textwrap, time
from workerkit.host import proctable, strays, tree

strays.become_subreaper()
own = subprocess.Popen(["sleep", "60"], start_new_session=True)

WAIT = {"sh": "read go; ", sys.executable: "import sys; sys.stdin.read();"}

def worker(script, *, program=("sh", "-c")):
    mark = os.urandom(8).hex()
    process = subprocess.Popen(
        [*program, WAIT[program[0]] + script],
        start_new_session=True,
        env={**os.environ, tree.MARK: mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    its = tree.Tree(process.pid, mark)
    process.stdin.close()  # it waits for that: nothing is started before there are marks
    return process, its

def lines(process, count):
    return [int(process.stdout.readline()) for _ in range(count)]

def state(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "gone"

def until(what):
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)

def ended(process):
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
"""
END = """
assert own.poll() is None, "a process of the host's own was hit"
own.kill()
own.wait()
print("held")
"""
#: What a worker starts, by what is special about it; each says its id.
STARTED = {
    "child": "sleep 600 & echo $!",
    "session": "setsid sleep 600 & echo $!",
    "orphan": "sh -c 'setsid sleep 600 & echo $!'",
    "orphan without an environment": "sh -c 'env -i setsid sleep 600 & echo $!'",
    "stopped": "sleep 600 & kill -STOP $!; echo $!",
}
# Trees are found on Linux only; elsewhere there is the group, which the other tests kill.
LINUX = STARTED if sys.platform == "linux" else {}


def holds(script: str) -> None:
    text = BEGIN + textwrap.dedent(script) + END
    with tempfile.TemporaryFile("w+") as output:  # a pipe would have no end if anything were left
        subprocess.run([sys.executable, "-c", text], stdout=output, stderr=output, timeout=60)
        output.seek(0)
        assert output.read() == "held\n"


@pytest.mark.parametrize("start", LINUX.values(), ids=LINUX)
def test_what_a_worker_started_is_killed_with_it(start: str) -> None:
    holds(f"""
        process, its = worker({start!r} + "; exec sleep 600")
        [stray] = lines(process, 1)
        its.end()
        assert its.end(last=True) == 0
        assert state(stray) == "gone"
        assert process.wait() == -9
    """)


@pytest.mark.parametrize("start", LINUX.values(), ids=LINUX)
def test_what_a_worker_left_behind_is_killed_when_it_ends_of_itself(start: str) -> None:
    holds(f"""
        process, its = worker({start!r} + "; exit 3")
        [stray] = lines(process, 1)
        ended(process)
        assert its.end(last=True) >= 1
        assert state(stray) == "gone"
        assert process.wait() == 3
    """)


@pytest.mark.parametrize("start", LINUX.values(), ids=LINUX)
def test_other_workers_and_what_they_started_live_on(start: str) -> None:
    holds(f"""
        (one, its), (other, others) = [worker({start!r} + "; exec sleep 600") for _ in range(2)]
        [stray], [neighbour] = lines(one, 1), lines(other, 1)
        its.end(last=True)
        assert state(stray) == "gone"
        assert state(neighbour) not in ("gone", "Z")
        assert other.poll() is None
        others.end(last=True)
        assert state(neighbour) == "gone"
        one.wait(), other.wait()
    """)


def test_a_burst_of_forks_is_caught_while_it_goes_on() -> None:
    holds(
        """
        burst = '''
        import os, time
        print(os.getpid(), flush=True)
        for number in range(400):
            if os.fork() == 0:
                os.setsid()
                if number % 2 and os.fork():
                    os._exit(0)
                time.sleep(600)
        time.sleep(600)
        '''
        process, its = worker(textwrap.dedent(burst), program=(sys.executable, "-c"))
        lines(process, 1)
        until(lambda: len(its._members()) > 100)
        begin = time.monotonic()
        assert its.end(last=True) > 0
        assert time.monotonic() - begin < tree.PATIENCE
        assert [member.pid for member in its._members()] == [process.pid]
        process.wait()
    """
        if sys.platform == "linux"
        else ""
    )


def test_once_a_worker_was_waited_for_its_id_is_not_touched() -> None:
    holds("""
        process, its = worker("exit 0")
        ended(process)
        its.end(last=True)
        process.wait()
        its.pid = own.pid  # as if the id had been given to another
        its.end()
    """)


def test_zombies_of_workers_are_waited_for_and_those_of_the_host_keep_their_exit_codes() -> None:
    holds(
        """
        codes = [subprocess.Popen(["sh", "-c", "exit 7"], start_new_session=new) for new in (False, True)]
        script = "for n in 1 2 3; do sh -c 'setsid sleep 0.1 & sleep 0.1 & echo $!'; done; exec sleep 600"
        process, its = worker(script)
        lines(process, 3)
        dead, _ = worker("exit 5")
        own_zombies = {process.pid for process in (*codes, dead)}

        def zombies():
            return {p.pid for p in proctable.everything() if p.gone and p.parent == os.getpid()}

        until(lambda: len(zombies()) == 3 + 6)
        strays.reap()
        assert zombies() == own_zombies
        assert [code.wait() for code in codes] == [7, 7]
        assert dead.wait() == 5
        its.end(last=True)
        process.wait()
    """
        if sys.platform == "linux"
        else ""
    )


def test_no_descriptor_is_left_open() -> None:
    holds("""
        def descriptors():
            return set(os.listdir("/dev/fd"))

        before = descriptors()
        process, its = worker("sleep 600 & setsid sleep 600 & exec sleep 600")
        its.end(last=True)
        process.wait()
        process.stdout.close()
        strays.reap()
        assert len(descriptors()) == len(before)
    """)
