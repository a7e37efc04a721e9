"""Keys that no object can have, or that no URL would lead to."""

from __future__ import annotations

import pytest

from workerkit_plugins.s3.keys import checked, named


@pytest.mark.parametrize(
    "key", ["a", "a b+c%20?#&=", "ü/日本", "/a", "a//b", "..a", "a...", "k" * 1024, "ü" * 512]
)
def test_a_key_stays_as_it_is(key: str) -> None:
    assert checked(key) == named(key) == key


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("k" * 1025, f"the key {'k' * 60!r}… has 1,025 bytes in UTF-8; S3 takes 1,024"),
        ("ü" * 513, f"the key {'ü' * 60!r}… has 1,026 bytes in UTF-8; S3 takes 1,024"),
        ("", "the key '' names no object; end it with a name, such as bucket.key('picture.png')"),
    ],
)
def test_one_that_no_object_can_have_is_refused_to_read_as_to_write(key: str, said: str) -> None:
    for use in (named, checked):
        with pytest.raises(ValueError, match="the key") as caught:
            use(key)
        assert str(caught.value) == said


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("a/../b", "has . or .. as a part, which no URL keeps; write it without"),
        ("./a", "has . or .. as a part, which no URL keeps; write it without"),
        ("..", "has . or .. as a part, which no URL keeps; write it without"),
        ("a/", "names no object; end it with a name, such as bucket.key('picture.png')"),
        ("\udcff", "holds a character that UTF-8 cannot"),
    ],
)
def test_one_that_others_may_have_stored_can_be_read_only(key: str, said: str) -> None:
    assert named(key) == key
    with pytest.raises(ValueError, match="the key") as caught:
        checked(key)
    assert str(caught.value) == f"the key {key!r} {said}"
