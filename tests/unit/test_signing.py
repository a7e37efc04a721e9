from __future__ import annotations

import base64
import time

import pytest
import standardwebhooks

from workerkit import WorkerkitError
from workerkit.signing import InvalidSignature, Signer, key_of, new_secret, sign, verify

# The vector of the standard's own libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()


def headers(signature: str = SIGNATURE, id: str = ID, timestamp: object = AT) -> dict[str, str]:
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": signature}


def secret_of(size: int) -> str:
    return "whsec_" + base64.b64encode(b"k" * size).decode()


def test_signs_and_verifies_the_vector_of_the_standard() -> None:
    assert sign([SECRET], ID, AT, BODY) == SIGNATURE
    verify([SECRET], headers(), BODY, now=AT)


@pytest.mark.parametrize("signing", [[SECRET], [OTHER, SECRET], [SECRET, OTHER]])
def test_the_library_of_the_standard_verifies_ours(signing: list[str]) -> None:
    now = int(time.time())
    standardwebhooks.Webhook(SECRET).verify(BODY, headers(sign(signing, ID, now, BODY), timestamp=now))

    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(secret_of(24)).verify(
            BODY, headers(sign(signing, ID, now, BODY), timestamp=now)
        )


def test_new_secrets_differ_and_the_library_takes_them() -> None:
    secret, now = new_secret(), int(time.time())
    assert secret != new_secret()
    assert len(key_of(secret)) == 32
    signed = headers(sign([secret], ID, now, BODY), timestamp=now)
    standardwebhooks.Webhook(secret).verify(BODY, signed)
    verify([secret], signed, BODY)


def test_a_signer_signs_each_webhook_as_if_it_were_its_only_one() -> None:
    signer = Signer([OTHER, SECRET])
    for body in (BODY, b"", BODY):
        assert signer.sign(ID, AT, body) == sign([OTHER, SECRET], ID, AT, body)
    with pytest.raises(ValueError, match="full stop"):
        signer.sign("msg.1", AT, BODY)
    with pytest.raises(ValueError, match="at least one"):
        Signer([])


def test_while_a_secret_is_changed_either_side_may_be_first() -> None:
    both = sign([OTHER, SECRET], ID, AT, BODY)
    assert both.split() == [sign([OTHER], ID, AT, BODY), SIGNATURE]
    verify([SECRET], headers(both), BODY, now=AT)
    verify([OTHER], headers(both), BODY, now=AT)
    verify([OTHER, SECRET], headers(), BODY, now=AT)
    with pytest.raises(InvalidSignature, match="no signature matches"):
        verify([secret_of(32)], headers(both), BODY, now=AT)


def test_one_secret_may_be_given_as_it_is_and_headers_in_any_case() -> None:
    assert sign(SECRET, ID, AT, BODY) == SIGNATURE
    verify(SECRET, {name.title(): value for name, value in headers().items()}, BODY, now=AT)


def test_signatures_of_other_versions_are_passed_over() -> None:
    verify([SECRET], headers(f"v1a,abc nonsense {SIGNATURE}"), BODY, now=AT)


@pytest.mark.parametrize(
    ("changed", "body", "sentence"),
    [
        (
            headers(),
            BODY + b" ",
            "no signature matches; the sender has another secret, or the body was changed",
        ),
        (headers(id="msg_other"), BODY, "no signature matches"),
        (headers(timestamp=AT + 1), BODY, "no signature matches"),
        (headers(SIGNATURE[:-2] + "A="), BODY, "no signature matches"),
        (headers("v1,\udc80", id="\udc80"), BODY, "no signature matches"),
        (headers("v2," + SIGNATURE[3:]), BODY, "holds no signature of version v1"),
        (headers(""), BODY, "the header webhook-signature is missing"),
        (headers(id=""), BODY, "the header webhook-id is missing"),
        (headers(id="a.b"), BODY, "contains a full stop"),
        (headers(timestamp="soon"), BODY, "the header webhook-timestamp is not in whole Unix seconds"),
        (headers(timestamp=f"{AT}.5"), BODY, "not in whole Unix seconds"),
        (headers(timestamp="-1"), BODY, "not in whole Unix seconds"),
        (headers(timestamp="٣"), BODY, "not in whole Unix seconds"),
        (headers(timestamp="9" * 5000), BODY, "not in whole Unix seconds"),
    ],
)
def test_what_was_not_signed_so_is_refused(changed: dict[str, str], body: bytes, sentence: str) -> None:
    with pytest.raises(InvalidSignature, match=sentence) as caught:
        verify([SECRET], changed, body, now=AT)
    assert isinstance(caught.value, WorkerkitError)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_is_not_there_is_named(name: str) -> None:
    given = headers()
    del given[name]
    with pytest.raises(InvalidSignature, match=f"the header {name} is missing"):
        verify([SECRET], given, BODY, now=AT)


def test_a_time_outside_the_tolerance_is_refused_on_both_sides() -> None:
    verify([SECRET], headers(), BODY, now=AT + 300)
    verify([SECRET], headers(), BODY, now=AT - 300)
    with pytest.raises(InvalidSignature, match="is 301 s old and 300 s are allowed; check both clocks"):
        verify([SECRET], headers(), BODY, now=AT + 301)
    with pytest.raises(InvalidSignature, match="is 301 s in the future and 300 s are allowed"):
        verify([SECRET], headers(), BODY, now=AT - 301)
    with pytest.raises(InvalidSignature, match="is 11 s old and 10 s are allowed"):
        verify([SECRET], headers(), BODY, now=AT + 11, tolerance=10)
    with pytest.raises(InvalidSignature, match="s old and 300 s"):
        verify([SECRET], headers(), BODY)


@pytest.mark.parametrize(
    ("secret", "sentence"),
    [
        ("hush-hush", "begins with whsec_; make one with `workerkit webhook secret`"),
        ("whsec_hush!hush", "is base64 after whsec_; was it copied whole"),
        ("whsec_hushé", "is base64 after whsec_"),
        ("whsec_hushh", "is base64 after whsec_"),
        ("whsec_", "holds 24 to 64 bytes, not 0"),
        (secret_of(23), "holds 24 to 64 bytes, not 23"),
        (secret_of(65), "holds 24 to 64 bytes, not 65"),
    ],
)
def test_a_bad_secret_is_refused_without_being_shown(secret: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as caught:
        key_of(secret)
    assert "hush" not in str(caught.value)
    with pytest.raises(ValueError, match=sentence):
        sign([SECRET, secret], ID, AT, BODY)
    with pytest.raises(ValueError, match=sentence):
        verify([SECRET, secret], headers(), BODY, now=AT)


def test_a_secret_may_come_without_its_padding() -> None:
    assert key_of(OTHER.rstrip("=")) == key_of(OTHER) == b"o" * 32


def test_what_cannot_be_signed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'a\.b' does"):
        sign([SECRET], "a.b", AT, BODY)
    with pytest.raises(ValueError, match="at least one webhook secret"):
        sign([], ID, AT, BODY)
    with pytest.raises(ValueError, match="at least one webhook secret"):
        verify([], headers(), BODY)
    with pytest.raises(TypeError, match="as the bytes that came; check before parsing"):
        verify([SECRET], headers(), BODY.decode())  # type: ignore[arg-type]
