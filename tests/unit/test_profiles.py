from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from workerkit.errors import SettingsError
from workerkit.loading import load_plugins
from workerkit.settings import Settings, load_settings

PROFILES = """
QUICK = {"queue": {"keep": 60, "lease": 5}, "plugin": {"webhook": {"attempts": 4}}}
WRONG = {"queue": {"keep": "long"}}
OUTSIDE = {"limits": {"depth": 0}}
UNKNOWN = {"queue": {"kepp": 60}}
NESTED = {"profile": "quick"}
HASTY = {"plugin": {"webhook": {"attemps": 4}}}
LIST = ["queue"]
"""


@pytest.fixture
def install(tmp_path: Path, distribution: Callable[..., None]) -> Callable[..., None]:
    (tmp_path / "acme_profiles.py").write_text(PROFILES)

    def install(dist: str = "acme", **points: str) -> None:
        distribution(dist, "workerkit.settings", points or {"quick": "acme_profiles:QUICK"})

    return install


def load(folder: Path, environ: Mapping[str, str] = {}, **flags: Any) -> Settings:
    return load_settings(environ=environ, flags=flags, cwd=folder)


def test_a_profile_is_named_by_the_file_a_variable_or_a_flag(
    install: Callable[..., None], tmp_path: Path
) -> None:
    install()

    assert load(tmp_path).profile == ""
    assert load(tmp_path, profile="quick").queue.keep == 60
    assert load(tmp_path, {"WORKERKIT_PROFILE": "quick"}).queue.keep == 60
    (tmp_path / "workerkit.toml").write_text('profile = "quick"')
    settings = load(tmp_path)
    assert (settings.queue.keep, settings.profile) == (60, "quick")
    assert settings.provenance == f"profile quick and {tmp_path}/workerkit.toml"
    assert load(tmp_path, profile="runpod").queue.keep_sync == 60
    assert load(tmp_path, {"WORKERKIT_PROFILE": ""}).queue.keep == 86_400


def test_everything_else_is_stronger_than_a_profile(install: Callable[..., None], tmp_path: Path) -> None:
    install()
    (tmp_path / "workerkit.toml").write_text('profile = "quick"\n[queue]\nkeep = 61\n')

    settings = load(tmp_path, {"WORKERKIT_QUEUE__KEEP": "62"}, **{"queue.keep": 63})

    assert (settings.queue.keep, settings.queue.lease) == (63, 5)
    assert settings.plugin == {"webhook": {"attempts": 4}}
    assert settings.origins["queue.keep"] == (
        ("profile 'quick' of acme 1.2", 60),
        (str(tmp_path / "workerkit.toml"), 61),
        ("WORKERKIT_QUEUE__KEEP", "62"),
        ("flags", 63),
    )


@pytest.mark.parametrize(
    ("ref", "sentence"),
    [
        ("acme_profiles:WRONG", "profile 'bad' of acme 1.2: queue.keep: expected `float`, got `str`"),
        ("acme_profiles:OUTSIDE", "profile 'bad' of acme 1.2: limits.depth is 0; it must be from 1 to 500"),
        (
            "acme_profiles:UNKNOWN",
            "profile 'bad' of acme 1.2: unknown setting 'queue.kepp'; did you mean 'keep'?",
        ),
        (
            "acme_profiles:NESTED",
            "(acme_profiles:NESTED) has a profile of its own; take the key 'profile' out",
        ),
        ("acme_profiles:LIST", "(acme_profiles:LIST) is of type list; a profile is a mapping of sections"),
        ("acme_profiles", "(acme_profiles) is of type module; a profile is a mapping of sections"),
        (
            "acme_profiles:NONE",
            "profile 'bad' of acme 1.2 (acme_profiles:NONE) did not load: AttributeError: module 'acme_profiles' "
            "has no attribute 'NONE'; repair or uninstall its distribution, or name another profile",
        ),
        (
            "acme_nowhere:X",
            "did not load: ModuleNotFoundError: No module named 'acme_nowhere'; repair or uninst",
        ),
    ],
)
def test_a_wrong_profile_is_refused_with_its_distribution_and_a_cure(
    install: Callable[..., None], tmp_path: Path, ref: str, sentence: str
) -> None:
    install(bad=ref)
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, profile="bad")
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("profile 'bad' of acme 1.2")


def test_a_wrong_value_for_a_plugin_names_the_profile(install: Callable[..., None], tmp_path: Path) -> None:
    install(hasty="acme_profiles:HASTY")
    with pytest.raises(
        SettingsError, match=r"profile 'hasty' of acme 1\.2: \[plugin\.webhook\]: unknown setting"
    ):
        load_plugins(load(tmp_path, profile="hasty"))


def test_an_unknown_profile_is_answered_with_the_known_ones(
    install: Callable[..., None], tmp_path: Path
) -> None:
    install()
    (tmp_path / "workerkit.toml").write_text('profile = "quik"')
    with pytest.raises(SettingsError) as caught:
        load(tmp_path)
    known = "there is no profile 'quik'; did you mean 'quick'? (known: quick, runpod)"
    assert str(caught.value) == f"{tmp_path}/workerkit.toml: {known}"
    with pytest.raises(SettingsError, match=r"^WORKERKIT_PROFILE: there is no profile 'x'"):
        load(tmp_path, {"WORKERKIT_PROFILE": "x"})


def test_two_distributions_with_one_profile_are_refused(install: Callable[..., None], tmp_path: Path) -> None:
    install("acme")
    install("other")
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, profile="quick")
    assert "profile 'quick' of acme 1.2" in str(caught.value)
    assert "profile 'quick' of other 1.2" in str(caught.value)
    assert str(caught.value).endswith("have the same name; uninstall one of them")


def test_a_profile_must_be_a_name(tmp_path: Path) -> None:
    (tmp_path / "workerkit.toml").write_text("profile = 3")
    with pytest.raises(SettingsError, match=r"workerkit.toml: profile: expected `str`, got `int`"):
        load(tmp_path)


def test_a_profile_that_nobody_names_is_not_imported(install: Callable[..., None], tmp_path: Path) -> None:
    install(bad="acme_nowhere:X")

    assert load(tmp_path) == Settings()
