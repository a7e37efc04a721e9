from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from workerkit_folder import FolderBucket

from workerkit.testing import PluginContract


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A bucket's folder with a link in it that leads out."""
    folder = tmp_path / "objects"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    (tmp_path / "secret").write_text("not yours")
    return folder


@pytest.mark.parametrize("mode", ["r", "w"])
@pytest.mark.parametrize(
    "key", ["../secret", "a/../../secret", "/etc/hosts", "a//b", "", "link/secret", "a\\b"]
)
def test_a_key_cannot_lead_out_of_the_folder(root: Path, key: str, mode: str) -> None:
    with pytest.raises(ValueError, match="the bucket"):
        FolderBucket(root, "job/1").open(key, mode)

    assert (root.parent / "secret").read_text() == "not yours"


def test_an_object_is_absent_until_it_is_whole(root: Path) -> None:
    bucket = FolderBucket(root, "job/1")

    file = bucket.open("text", "w")
    file.write("whole")
    before = (root / "text").exists()
    file.close()

    assert before is False
    assert (root / "text").read_text() == "whole"


class TestContract(PluginContract):
    plugin = "folder"
    bad_settings = ({"folder": ""},)

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Mapping[str, Any]:
        return {"folder": str(tmp_path / "bucket")}
