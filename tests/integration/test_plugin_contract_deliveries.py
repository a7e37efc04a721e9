"""Plugins that are wrong after a job, and the promise of the contract that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from judging import Judge, broken, never

DELIVERS = """
    @hookimpl
    def post_job(self, request, result):
        return Delivery(target="there", attempts=2, delays=(0.05,))

    @hookimpl
    def deliver(self, delivery):
        return Receipt.delivered()
"""


def noted(what: str) -> None:
    assert "nobody counts what arrives" in what


@pytest.mark.parametrize(
    ("post_job", "sentence"),
    [
        ("json.loads(result.output)", "its post_job failed for a job that is COMPLETED without an output: TypeError"),
        ("time.sleep(0.6)", "its post_job is inline and held up the event loop for "),
        ("return Delivery(target='x')", "implements no deliver hook"),
        ("return 'http://a/'", "where a Delivery is expected"),
    ],
)  # fmt: skip
def test_a_post_job_that_fails(
    judge: Judge, caplog: pytest.LogCaptureFixture, tmp_path: Path, post_job: str, sentence: str
) -> None:
    contract, subject = judge(f"""
class Wrong:
    @hookimpl(inline=True)
    def post_job(self, request, result):
        {post_job}
""")

    with broken(sentence):
        contract.test_post_job_takes_every_end(subject, never, caplog, tmp_path)


def test_a_deliver_that_does_not_know_every_status(
    judge: Judge, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    contract, subject = judge("""
class Wrong:
    @hookimpl
    def post_job(self):
        return Delivery(target="there")

    @hookimpl
    def deliver(self, delivery):
        shown = json.loads(delivery.body)
        if shown["status"] == "FAILED":
            json.loads(shown["error"])
        return Receipt.delivered()
""")

    with broken(
        "its deliver answered 'retry' for a job that is FAILED with a text and an output: .*JSONDecodeError"
    ):
        contract.test_post_job_takes_every_end(subject, never, caplog, tmp_path)


def test_a_plugin_that_was_not_made_to_act(
    judge: Judge, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    contract, subject = judge("""
class Wrong:
    fields = {"tell": Field(str)}

    @hookimpl
    def post_job(self, request):
        return Delivery(target="there") if "tell" in request.fields else None

    @hookimpl
    def deliver(self):
        return Receipt.delivered()
""")

    with broken("post_job asked for nothing at any end; give it `settings` and `fields`"):
        contract.test_post_job_takes_every_end(subject, never, caplog, tmp_path)
    with broken("neither after a job that went well nor after one that failed; give it"):
        contract.test_a_delivery_survives_kill_9(subject, never, noted, None, "before")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_deliver_that_cannot_go_on_after_a_crash(judge: Judge, moment: str) -> None:
    contract, subject = judge("""
class Wrong:
    @hookimpl
    def post_job(self, request, result):
        return Delivery(target="there", attempts=2, delays=(0.05,))

    @hookimpl
    def deliver(self, delivery):
        if delivery.number > 1:
            return Receipt.stop("it was there already")
        return Receipt.delivered()
""")

    with broken(f"killed {moment} it acted, a delivery with tries left is dead: it was there already"):
        contract.test_a_delivery_survives_kill_9(subject, never, noted, None, moment)


@pytest.mark.parametrize("word", ["", "async "])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_deliver_that_can_passes_plain_or_async(judge: Judge, moment: str, word: str) -> None:
    contract, subject = judge(f"class Wrong:\n{DELIVERS.replace('def deliver', f'{word}def deliver')}")

    contract.test_a_delivery_survives_kill_9(subject, never, noted, None, moment)


#: A plugin whose deliver leaves a file for each delivery, one way or another.
LEAVES = """
@attrs.frozen
class Settings:
    folder: str

class Wrong:
    Settings = Settings

    def __init__(self, settings):
        self.folder = Path(settings.folder)
        self.waiting = queue.Queue()
        threading.Thread(target=self.work, daemon=True).start()

    def work(self):
        while True:
            id = self.waiting.get()
            time.sleep(30)
            self.leave(id)

    def leave(self, id):
        (self.folder / id).touch()

    @hookimpl
    def post_job(self, request, result):
        return Delivery(target="there", attempts=2, delays=(0.05,))

    @hookimpl
    def deliver(self, delivery):
        {deliver}(delivery.id)
        return Receipt.delivered()
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_deliver_that_leaves_the_work_to_a_thread(judge: Judge, tmp_path: Path, moment: str) -> None:
    folder = tmp_path / "effects"
    folder.mkdir()
    contract, subject = judge(LEAVES.format(deliver="self.waiting.put"), settings={"folder": str(folder)})

    with broken(
        "0 of 1 effects had arrived when the host was killed, and its deliver had answered that it delivered"
    ):
        contract.test_a_delivery_survives_kill_9(
            subject, never, never, lambda: len(list(folder.iterdir())), moment
        )


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_deliver_that_works_and_then_says_so(judge: Judge, tmp_path: Path, moment: str) -> None:
    folder = tmp_path / "effects"
    folder.mkdir()
    contract, subject = judge(LEAVES.format(deliver="self.leave"), settings={"folder": str(folder)})

    contract.test_a_delivery_survives_kill_9(
        subject, never, never, lambda: len(list(folder.iterdir())), moment
    )
