from __future__ import annotations

import pytest

from workerkit.guard import Url, parse

IMPOSSIBLE = "names a host that cannot be; use letters, digits, hyphens and dots"
INVALID = "is not a valid URL; check its host, and its port, 1 to 65535"
CHARACTERS = "must not contain spaces, control characters or backslashes"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ftp://host/", "must begin with http:// or https://"),
        ("host/path", "must begin with http:// or https://"),
        ("//host/path", "must begin with http:// or https://"),
        ("file:///etc/passwd", "must begin with http:// or https://"),
        ("gopher://host:70/", "must begin with http:// or https://"),
        ("", "must begin with http:// or https://"),
        ("http:///path", "names no host"),
        ("http:host", "names no host"),
        ("http:/host", "names no host"),
        ("http://", "names no host"),
        ("http://:80/", "names no host"),
        ("http://me:pw@host/", "must not carry a user or password"),
        ("http://@host/", "must not carry a user or password"),
        ("http://a@b@host/", "must not carry a user or password"),
        ("http://me%40x@host/", "must not carry a user or password"),
        ("http://host/a b", CHARACTERS),
        ("http://host/\r\nX: y", CHARACTERS),
        ("http://host\t/", CHARACTERS),
        ("http://host\x00/", CHARACTERS),
        ("http://host\x7f/", CHARACTERS),
        ("http://host\\@other/", CHARACTERS),
        (" http://host/", CHARACTERS),
        ("http://host:0/", "has the port 0; ports are 1 to 65535"),
        ("http://host:70000/", INVALID),
        ("http://host:-1/", INVALID),
        ("http://host:+80/", INVALID),
        ("http://host:80:/", INVALID),
        ("http://a:b:c/", INVALID),
        ("http://[::1/", INVALID),
        ("http://[::1]x/", INVALID),
        ("http://[1.2.3.4]/", INVALID),
        ("http://[v1.x]/", INVALID),
        ("http://::1/", INVALID),
        ("http://hóst/", "must be ASCII; write the host in punycode and the rest percent-encoded"),
        ("http://①②⑦.0.0.1/", "must be ASCII; write the host in punycode and the rest percent-encoded"),
        ("http://h%6fst/", IMPOSSIBLE),
        ("http://127.0.0.1%25lo/", IMPOSSIBLE),
        ("http://a..b/", IMPOSSIBLE),
        ("http://.a/", IMPOSSIBLE),
        ("http://a'b/", IMPOSSIBLE),
        ("http://*/", IMPOSSIBLE),
        ("http://a;b/", IMPOSSIBLE),
        (f"http://{'a' * 64}.example/", IMPOSSIBLE),
        (f"http://{'a.' * 140}example/", IMPOSSIBLE),
    ],
)
def test_a_url_that_nobody_could_reach_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|is|names|has) ") as caught:
        parse(url)
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("url", "lane", "target", "shown"),
    [
        ("https://example.com", "example.com:443", "/", "https://example.com/"),
        ("HTTP://Example.com:80/a?b=c#d", "example.com:80", "/a?b=c", "http://example.com:80/a?…"),
        ("http://[::1]:8000/@x", "::1:8000", "/@x", "http://[::1]:8000/@x"),
        ("http://host?x", "host:80", "/?x", "http://host/?…"),
        ("http://host/?a@b", "host:80", "/?a@b", "http://host/?…"),
        ("http://host#@other/", "host:80", "/", "http://host/"),
        ("http://a_b-c.svc:8080/", "a_b-c.svc:8080", "/", "http://a_b-c.svc:8080/"),
        ("http://host./", "host:80", "/", "http://host./"),
    ],
)
def test_a_good_url_is_parsed_once_into_what_is_needed(url: str, lane: str, target: str, shown: str) -> None:
    parsed = parse(url)
    assert (parsed.lane, parsed.target, parsed.shown) == (lane, target, shown)


def test_what_is_printed_of_a_url_holds_no_query() -> None:
    assert "hunter2" not in repr(parse("http://host/?token=hunter2"))


@pytest.mark.parametrize(
    ("url", "host", "authority", "server_name"),
    [
        ("http://host/", "host", "host", "host"),
        ("http://host:80/", "host", "host", "host"),
        ("https://host:443/", "host", "host", "host"),
        ("https://host:80/", "host", "host:80", "host"),
        ("http://host.:8080/", "host.", "host.:8080", "host"),
        ("http://[2001:DB8::1]/", "2001:db8::1", "[2001:db8::1]", "2001:db8::1"),
        ("http://[::1]:8000/", "::1", "[::1]:8000", "::1"),
        ("http://[fe80::1%25eth0]:81/", "fe80::1%eth0", "[fe80::1]:81", "fe80::1"),
        ("http://0x7f.1/", "0x7f.1", "0x7f.1", "0x7f.1"),
    ],
)
def test_where_to_connect_what_the_header_says_and_what_a_certificate_names(
    url: str, host: str, authority: str, server_name: str
) -> None:
    parsed = parse(url)
    assert (parsed.host, parsed.authority, parsed.server_name) == (host, authority, server_name)


def test_urls_are_values() -> None:
    assert parse("http://host/") == Url("http", "host", 80, "/", "http://host/")
