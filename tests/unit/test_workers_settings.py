"""What `[workers]` says in words of its own: numbers of workers, GPUs, a signal."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from workerkit.errors import SettingsError
from workerkit.host.gpus import gpus
from workerkit.host.interrupt import number_of
from workerkit.host.sizes import Size, sizes
from workerkit.rereading import without_effect
from workerkit.settings import Settings, WorkersSettings, load_settings

TWO, ONE = Size(2, 2), Size(1, 1)


def test_workers_are_counted_for_all_functions_or_by_name() -> None:
    assert sizes("2", ["a", "b"]) == {"a": TWO, "b": TWO}
    assert sizes("b=3, a=0", ["a", "b", "c"]) == {"a": Size(0, 0), "b": Size(3, 3), "c": ONE}


def test_a_range_says_how_few_and_how_many() -> None:
    assert sizes("1..4", ["a"]) == {"a": Size(1, 4)}
    assert sizes("a=0..2,b=2", ["a", "b"]) == {"a": Size(0, 2), "b": TWO}
    assert [str(size) for size in (Size(0, 2), TWO)] == ["0..2", "2"]


@pytest.mark.parametrize(
    ("count", "culprit"),
    [
        ("two", "'two'"),
        ("a=", "''"),
        ("A=1", "'A'"),
        ("-1", "'-1'"),
        ("9999", "'9999'"),
        ("4..1", "'4..1'"),
        ("1..", "'1..'"),
        ("..2", "'..2'"),
        ("1...2", "'1...2'"),
        ("²", "'²'"),
        ("9" * 5000, "'999"),
    ],
)
def test_a_number_of_workers_that_is_none_is_named(count: str, culprit: str) -> None:
    with pytest.raises(SettingsError, match="workers: ") as error:
        sizes(count, ["a"])

    assert culprit in str(error.value)


def test_gpus_are_left_alone_named_or_found(tmp_path: Path) -> None:
    for number in "01":
        (tmp_path / number).mkdir()

    assert gpus("none", {"CUDA_VISIBLE_DEVICES": "3"}) == []
    assert gpus("0,2", {}) == ["0", "2"]
    assert gpus("GPU-8932f937, MIG-1", {}) == ["GPU-8932f937", "MIG-1"]
    assert gpus("auto", {"CUDA_VISIBLE_DEVICES": "3,5"}) == ["3", "5"]
    assert gpus("auto", {}, driver=tmp_path) == ["0", "1"]


@pytest.mark.parametrize(
    ("setting", "environment", "sentence"),
    [
        ("auto", {"PATH": "/nowhere"}, "no NVIDIA GPU was found; name them, such as --gpus 0,1"),
        ("auto", {"CUDA_VISIBLE_DEVICES": ""}, "no NVIDIA GPU was found"),
        ("cuda:0", {}, "workers.gpus: 'cuda:0' is no GPU; write auto, none, or numbers such as 0,1"),
        ("0,0", {}, "'0,0' names a GPU twice"),
        ("auto", {"CUDA_VISIBLE_DEVICES": "x"}, "CUDA_VISIBLE_DEVICES: 'x' is no GPU"),
    ],
)
def test_gpus_that_are_not_there_are_named(
    setting: str, environment: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="GPU") as error:
        gpus(setting, environment, driver=tmp_path / "none")

    assert sentence in str(error.value)


def test_the_stop_signal_is_told_by_name() -> None:
    assert number_of("") == 0
    assert number_of("sigusr1") == signal.SIGUSR1
    if hasattr(signal, "SIGRTMIN"):
        assert number_of("SIGRTMIN+5") == signal.SIGRTMIN + 5


@pytest.mark.parametrize(
    "name", ["SIGKILL", "SIGINT", "SIGNONSENSE", "SIG_DFL", "5", "SIGRTMIN+X", "SIGRTMIN+99"]
)
def test_a_signal_that_cannot_be_used_is_named(name: str) -> None:
    if name == "SIGRTMIN+99" and not hasattr(signal, "SIGRTMIN"):
        assert number_of(name) == signal.SIGUSR1
        return
    with pytest.raises(SettingsError, match=r"workers\.stop_signal: ") as error:
        number_of(name)

    assert name in str(error.value)


def test_a_word_that_is_no_choice_is_answered_with_the_choices() -> None:
    with pytest.raises(SettingsError, match="prewarm is 'all'; it must be one of toolkit, module, off"):
        load_settings(flags={"workers.prewarm": "all"}, environ={})


def test_numbers_of_workers_and_gpus_may_be_written_as_numbers(tmp_path: Path) -> None:
    (tmp_path / "workerkit.toml").write_text("[workers]\ncount = 2\ngpus = 0\n")

    workers = load_settings(environ={}, cwd=tmp_path).workers
    assert (workers.count, workers.gpus) == ("2", "0")
    with pytest.raises(SettingsError, match=r"workers\.count: expected `str`, got `bool`"):
        load_settings(flags={"workers.count": True}, environ={})


def test_a_setting_that_does_nothing_beside_others_is_named() -> None:
    def told(**workers: str) -> list[str]:
        return list(without_effect(Settings(workers=WorkersSettings(**workers))))

    [sentence] = told(prewarm="module", gpus="0,1")
    assert sentence.startswith("workers.prewarm is 'module', but standbys import nothing where several GPUs")
    assert told(prewarm="module", gpus="0") == told(prewarm="toolkit", gpus="0,1") == []
