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


def bucket(root: Path) -> FolderBucket:
    return FolderBucket(root, "job/1", lambda: root.parent / "downloads")


@pytest.mark.parametrize("mode", ["r", "w"])
@pytest.mark.parametrize(
    "key", ["../secret", "a/../../secret", "/etc/hosts", "a//b", "", "link/secret", "a\\b"]
)
def test_a_key_cannot_lead_out_of_the_folder(root: Path, key: str, mode: str) -> None:
    with pytest.raises(ValueError, match="the bucket"):
        bucket(root).open(key, mode)

    assert (root.parent / "secret").read_text() == "not yours"


def test_it_is_shared_by_all_callers(root: Path) -> None:
    assert bucket(root).of_request is False


def test_an_object_is_absent_until_it_is_whole(root: Path) -> None:
    file = bucket(root).open("text", "w")
    file.write("whole")
    before = (root / "text").exists()
    file.close()

    assert before is False
    assert (root / "text").read_text() == "whole"


def test_objects_come_back_as_they_were_stored(root: Path, tmp_path: Path) -> None:
    objects = bucket(root)
    (tmp_path / "a.txt").write_text("a")
    told: list[tuple[int, int | None]] = []

    urls = objects.upload_many([tmp_path / "a.txt"], progress=lambda *done: told.append(done))
    urls += [objects.upload(b"bytes", "sub/b", progress=lambda *done: told.append(done)), objects.upload(b"")]
    path = objects.download("sub/b", progress=lambda *done: told.append(done))

    keys = ["job/1/1-a.txt", "sub/b", "job/1/2-object"]
    assert urls == [(root / key).as_uri() for key in keys]
    assert [(each.key, each.size) for each in objects.list()] == [(keys[0], 1), (keys[2], 0), (keys[1], 5)]
    assert [each.key for each in objects.list("sub")] == ["sub/b"]
    assert (path, path.read_bytes()) == (tmp_path / "downloads/sub/b", b"bytes")
    assert told == [(1, 1), (5, 5), (5, 5)]
    with pytest.raises(FileNotFoundError):
        objects.download("none")


class TestContract(PluginContract):
    plugin = "folder"
    bad_settings = ({"folder": ""},)

    @pytest.fixture
    def settings(self, tmp_path: Path) -> Mapping[str, Any]:
        return {"folder": str(tmp_path / "bucket")}
