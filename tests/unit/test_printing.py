from __future__ import annotations

import subprocess
import sys
import textwrap
from collections import Counter

BEGIN = """
import asyncio, contextlib, logging, os, sys, threading
from workerkit.worker.printing import Printing

printing = Printing("tag")
"""


def lines_of(code: str) -> list[str]:
    """What a process prints, both streams in one pipe as in a worker; marks as <id:attempt>."""
    program = BEGIN + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60
    )
    text = done.stdout.decode().replace("\x1etag:", "<").replace("\x1f", ">")
    assert done.returncode == 0, text
    return text.split("\n")[:-1]


def test_lines_of_python_carry_the_run_that_prints_them_and_others_do_not() -> None:
    lines = lines_of("""
        logging.getLogger("workerkit").addHandler(logging.StreamHandler())  # made before
        printing.install()
        logging.basicConfig(format="%(message)s")
        print("outside")
        with printing.job("a", 2):
            print("several", "words\\nand lines")
            print("to stderr", file=sys.stderr)
            sys.stdout.buffer.write(b"bytes\\n")
            logging.getLogger("handler").warning("logged")
            logging.getLogger("workerkit").warning("logged, too")
            os.write(1, b"past Python\\n")
        print("outside again")
    """)

    assert lines == [
        "outside",
        "<a:2>several words",
        "<a:2>and lines",
        "<a:2>to stderr",
        "<a:2>bytes",
        "<a:2>logged",
        *["<a:2>logged, too"] * 2,  # its own handler, and the root's
        "past Python",
        "outside again",
    ]


def test_what_a_run_has_begun_comes_with_its_end() -> None:
    lines = lines_of("""
        printing.install()
        with printing.job("a", 1):
            print("Name? ", end="", flush=True)
            print("half", end="", file=sys.stderr)
        print("after")
    """)

    assert sorted(lines[:2]) == ["<a:1>Name? ", "<a:1>half"]
    assert lines[2:] == ["after"]


def test_a_progress_bar_leaves_its_last_state() -> None:
    lines = lines_of("""
        printing.install()
        with printing.job("a", 1):
            for done in range(101):
                print(f"\\r{done} %", end="", flush=True)
            print()
            for done in range(101):
                print(f"{done} %", end="\\r", flush=True)
    """)

    assert [line.rstrip("\r") for line in lines] == ["<a:1>100 %", "<a:1>100 %"]


def test_the_context_goes_along_to_coroutines_and_their_threads() -> None:
    lines = lines_of("""
        printing.install()

        async def handler(text):
            await asyncio.sleep(0)
            print(text)
            await asyncio.to_thread(print, text, "in a thread")

        async def main():
            loop = asyncio.get_running_loop()
            tasks = []
            for id in "ab":
                with printing.job(id, 1):
                    tasks.append(loop.create_task(handler(id)))
            await asyncio.gather(*tasks)

        asyncio.run(main())
    """)

    assert sorted(lines) == ["<a:1>a", "<a:1>a in a thread", "<b:1>b", "<b:1>b in a thread"]


def test_slots_do_not_tear_each_others_lines() -> None:
    lines = lines_of("""
        printing.install()

        def slot(id):
            with printing.job(id, 1):
                for n in range(200):
                    print(id * 20_000, n, end="")
                    print(" end")

        slots = [threading.Thread(target=slot, args=(id,)) for id in "abcd"]
        for each in slots: each.start()
        for each in slots: each.join()
    """)

    assert Counter(lines) == Counter(f"<{id}:1>{id * 20_000} {n} end" for id in "abcd" for n in range(200))


def test_a_line_that_is_too_long_is_cut_and_each_part_is_marked() -> None:
    lines = lines_of("""
        printing.install()
        with printing.job("a", 1):
            print("x" * 200_000)
    """)

    assert all(line.startswith("<a:1>x") and len(line) < 64 * 1024 for line in lines)
    assert sum(line.count("x") for line in lines) == 200_000


def test_a_secret_is_masked_where_a_line_is_cut_also_when_another_run_prints_it() -> None:
    lines = lines_of("""
        printing.install()
        before = "x" * (63 * 1024 - 12)
        with printing.job("a", 1) as run:
            threading.Thread(target=run.hide, args=[["open sesame, please"]]).run()
            print(before + "open sesame, please")
            print(before + "open ses", end="")
            print("ame, please", "y" * 70_000)
            with printing.job("b", 1):
                print(before + "open sesame, please")
    """)

    text = "".join(lines)
    assert "open" not in text
    assert "please" not in text
    assert text.count("***") == 3
    assert text.count("x") == 3 * (63 * 1024 - 12)
    assert text.count("y") == 70_000


def test_a_secret_of_a_run_that_is_over_is_masked_where_a_line_is_cut() -> None:
    lines = lines_of("""
        printing.install()
        before = "x" * (63 * 1024 - 12)
        with printing.job("a", 1) as run:
            run.hide(["open sesame, please"])
        with printing.job("b", 1):
            print(before + "open sesame, please")
            print(before + "open ses", end="")
            print("ame, please", "y" * 70_000)
    """)

    text = "".join(lines)
    assert "open" not in text
    assert "please" not in text
    assert text.count("***") == 2


def test_handlers_may_replace_close_or_redirect_the_streams_and_fork() -> None:
    lines = lines_of("""
        import io
        printing.install()
        with printing.job("a", 1):
            with contextlib.redirect_stdout(io.StringIO()):
                print("elsewhere")
            sys.stdout.close()
            print("begun ", end="")
            if os.fork() == 0:
                print("of the child")
                os._exit(0)
            os.wait()
            print("and ended")
        with printing.job("b", 1):
            print("the next job prints", sys.stdout.fileno(), sys.stdout.isatty(), sys.stdout.encoding)
            old, sys.stdout = sys.stdout, io.StringIO()
            print("for the handler only")
            sys.stdout = old
    """)

    assert lines == [
        "<a:1>of the child",
        "<a:1>begun and ended",
        "<b:1>the next job prints 1 False utf-8",
    ]


def test_without_a_tag_nothing_is_touched() -> None:
    lines = lines_of("""
        before = sys.stdout, sys.stderr
        Printing("").install()
        assert (sys.stdout, sys.stderr) == before
        with Printing("").job("a", 1):
            print("as ever")
    """)

    assert lines == ["as ever"]
