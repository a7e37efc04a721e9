from __future__ import annotations

import asyncio
import json
import os
import re
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from workerkit.bridge import Bridge
from workerkit.errors import ApiError, Refused
from workerkit.hooks import Hooks, LoadedPlugin, hookimpl
from workerkit.host.intake import Admission, Intake, ordered_uuid
from workerkit.host.sealing import Sealer
from workerkit.job import Field, Policy, Request
from workerkit.secret import Secret
from workerkit.settings import LimitsSettings, PolicySettings, Settings


@attrs.frozen
class Parcel:
    door: str
    code: Secret


class Notify:
    fields: Mapping[str, Field] = {"notify": Field(str), "parcel": Field(Parcel, secret=True)}

    def __init__(self) -> None:
        self.asked: list[Request] = []

    @hookimpl(inline=True)
    def accept(self, request: Request) -> None:
        self.asked.append(request)
        if request.fields.get("notify") == "nobody":
            raise Refused("notify is 'nobody'; name somebody")
        if request.fields.get("notify") == "bug":
            raise KeyError("oops")


KEY = os.urandom(32)


def intake(*plugins: Any, **sections: Any) -> Intake:
    loaded = [
        LoadedPlugin(name=f"p{n}", plugin=plugin, fields=plugin.fields) for n, plugin in enumerate(plugins)
    ]
    return Intake(Hooks(loaded, Bridge()), Sealer([KEY]), Settings(**sections))


def admit(body: bytes, to: Intake | None = None, **options: Any) -> Admission:
    options = {"sync": False, **options}
    return asyncio.run((to or intake(Notify())).admit("render", body, **options))


def refusal(body: bytes, to: Intake | None = None, **options: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        admit(body, to, **options)
    return caught.value


def test_the_input_is_stored_byte_for_byte() -> None:
    sent = '{ "b" : 1.0,"a":[ 1e3 , "\\u00e9é" ], "b": 2 }'.encode()
    assert admit(b'{"input": ' + sent + b" }").submission.input == sent


@pytest.mark.parametrize("value", [b'"text"', b"[]", b"null", b"12345678901234567890123", b"-0.0", b"{}"])
def test_any_json_may_be_an_input(value: bytes) -> None:
    assert admit(b'{"input":%s}' % value).submission.input == value


def test_ids_say_how_they_were_asked_for() -> None:
    uuid7 = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert re.fullmatch(f"{uuid7}-u1", admit(b'{"input":1}').submission.id)
    assert re.fullmatch(f"sync-{uuid7}-u1", admit(b'{"input":1}', sync=True).submission.id)


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    assert admit(b'{"input":1,"\\u0069nput":2}').submission.input == b"2"


def test_a_field_that_is_null_counts_as_absent() -> None:
    submission = admit(b'{"input":1,"notify":null,"parcel":null}').submission
    assert submission.fields is None
    assert not submission.sealed


def test_secret_fields_are_sealed_whole_and_kept_out_of_the_rest() -> None:
    sent = b'{"door": "12", "code": "open-sesame", "more": 1}'
    submission = admit(b'{"input":1,"notify":"me","parcel":%s}' % sent).submission
    assert submission.fields == b'{"notify":"me"}'
    assert b"sesame" not in submission.sealed["parcel"]
    assert Sealer([KEY]).open(submission.id, "parcel", submission.sealed["parcel"]) == sent


def test_a_secret_that_is_too_long_is_refused_by_its_name() -> None:
    """All that comes from the run is searched for it."""
    body = b'{"input":1,"parcel":{"door":"%s","code":"%s"}}'
    assert admit(body % (b"x" * 5_000, b"x" * 4_096)).submission.sealed

    error = refusal(body % (b"12", b"x" * 4_097))
    assert (error.status, error.code) == (400, "bad_field")
    assert str(error) == "parcel.code is not valid: it is longer than 4,096 characters"


def test_plugins_see_typed_fields_before_anything_is_stored() -> None:
    plugin = Notify()
    body = b'{"input":{"x":1},"notify":"me","parcel":{"door":"12","code":"sesame"}}'
    submission = admit(body, intake(plugin)).submission
    [request] = plugin.asked
    assert request.fields == {"notify": "me", "parcel": Parcel("12", Secret("sesame"))}
    assert (request.id, request.input, request.endpoint) == (submission.id, {"x": 1}, "render")


def test_the_policy_comes_from_the_request_then_the_function_then_the_settings() -> None:
    to = intake(policy=PolicySettings(execution_timeout=100, ttl=1000))
    assert admit(b'{"input":1}', to).submission.policy == Policy(execution_timeout=100_000, ttl=1_000_000)
    assert admit(b'{"input":1}', to, default_timeout_ms=7000).submission.policy.execution_timeout == 7000
    sent = b'{"input":1,"policy":{"executionTimeout":5000,"ttl":604800000,"lowPriority":true}}'
    expected = Policy(execution_timeout=5000, ttl=604_800_000, low_priority=True)
    assert admit(sent, to, default_timeout_ms=7000).submission.policy == expected
    assert admit(b'{"input":1,"policy":{"ttl":null}}', to).submission.policy.ttl == 1_000_000


def test_an_idempotency_key_travels_with_the_digest_of_its_body() -> None:
    def sent(body: bytes) -> tuple[str, bytes] | None:
        return admit(body, idempotency_key="k").submission.idempotency

    assert sent(b'{"input":1}') == sent(b'{"input":1}')
    assert sent(b'{"input":1}') != sent(b'{"input":2}')
    assert admit(b'{"input":1}').submission.idempotency is None


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\t", "é"])
def test_an_idempotency_key_that_cannot_be_kept_is_refused(key: str) -> None:
    assert refusal(b'{"input":1}', idempotency_key=key).code == "bad_idempotency_key"


RUNPODS_SAMPLE = b'{\n  "input": {\n    "prompt": "hi",\n  }\n}'

BAD = {
    "empty": (b" \n", "empty_body", "the body is empty; send a JSON object"),
    "array": (b"[1]", "not_an_object", "the body is an array; send a JSON object"),
    "string": (b'"x"', "not_an_object", "the body is a string"),
    "null": (b"null", "not_an_object", "the body is null"),
    "trailing comma": (
        RUNPODS_SAMPLE,
        "bad_json",
        "line 3, column 19: a comma with nothing after it; remove it",
    ),
    "comma in array": (b'{"input":[1, ]}', "bad_json", "line 1, column 12: a comma with nothing"),
    "column in characters": ('{"é":"é" 1}'.encode(), "bad_json", "line 1, column 10: expected ','"),
    "NaN": (b'{"input":NaN}', "bad_json", "column 10: NaN is not JSON; send null"),
    "-Infinity": (b'{"input":-Infinity}', "bad_json", "column 10: -Infinity is not JSON"),
    "None": (b'{"input":None}', "bad_json", "column 10: None is not JSON"),
    "1e400": (b'{"input":{"a":"1e400","b":1e400}}', "bad_json", "column 27: a number too large"),
    "long int": (b'{"input":' + b"9" * 5000 + b"}", "bad_json", "column 10: a number too large"),
    "single quotes": (b"{'input':1}", "bad_json", "column 2: a single quote; JSON strings"),
    "bare key": (b"{input:1}", "bad_json", "column 2: keys stand in double quotes"),
    "form": (b"input=1", "bad_json", "line 1, column 1"),
    "two objects": (b'{"input":1}{"input":2}', "bad_json", "column 12: something follows the end"),
    "cut off": (b'{"input":"abc', "bad_json", "column 14: its end comes before the end of the JSON"),
    "newline in string": (b'{"input":"a\nb"}', "bad_json", "a control character inside a string"),
    "UTF-16": ('{"input":1}'.encode("utf-16"), "bad_encoding", "looks like UTF-16 or UTF-32; send UTF-8"),
    "UTF-16 without mark": ('{"input":1}'.encode("utf-16-le"), "bad_encoding", "looks like UTF-16"),
    "UTF-8 mark": (b'\xef\xbb\xbf{"input":1}', "bad_encoding", "byte order mark; send UTF-8 without"),
    "latin-1": (b'{"input":\n"caf\xe9"}', "bad_encoding", "byte 0xe9 at line 2, column 5; send UTF-8"),
    "encoded surrogate": (b'{"input":"\xed\xa0\x80"}', "bad_encoding", "byte 0xed at line 1, column 11"),
    "high half": (
        b'{"input":"\\\\ud800 \\ud83d\\ude00 \\ud83d x"}',
        "bad_json",
        "column 32: \\ud83d is half",
    ),
    "low half": (b'{"input":"\\udc00"}', "bad_json", "column 11: \\udc00 is half of a surrogate pair"),
    "half at the end": (b'{"input":"\\ud800"}', "bad_json", "column 11: \\ud800 is half of a surrogate pair"),
    "deep": (b'{"input":' + b"[" * 100 + b"]" * 100 + b"}", "too_deep", "more than 100 levels deep"),
    "bottomless": (b'{"input":' + b"[" * 1_000_000, "too_deep", "more than 100 levels deep"),
    "no input": (b'{"prompt":1,"seed":2}', "bad_input", 'no "input" (its keys: prompt, seed); put'),
    "empty object": (b"{}", "bad_input", "(its keys: none)"),
    "policy array": (b'{"input":1,"policy":[]}', "bad_policy", "policy is an array; it must be an object"),
    "policy typo": (b'{"input":1,"policy":{"TTL":1}}', "bad_policy", "policy.TTL is unknown"),
    "short timeout": (
        b'{"input":1,"policy":{"executionTimeout":4999}}',
        "bad_policy",
        "policy.executionTimeout is out of range; it must be from 5000 ms (5 s)",
    ),
    "long ttl": (b'{"input":1,"policy":{"ttl":604800001}}', "bad_policy", "604800000 ms (7 days)"),
    "text for ms": (
        b'{"input":1,"policy":{"ttl":"1"}}',
        "bad_policy",
        "policy.ttl is a string; it must be a whole",
    ),
    "true for ms": (
        b'{"input":1,"policy":{"ttl":true}}',
        "bad_policy",
        "policy.ttl is true; it must be a whole",
    ),
    "fraction": (b'{"input":1,"policy":{"ttl":10000.5}}', "bad_policy", "policy.ttl is 10000.5"),
    "1 for true": (b'{"input":1,"policy":{"lowPriority":1}}', "bad_policy", "lowPriority is a number"),
    "field type": (b'{"input":1,"notify":5}', "bad_field", "notify is not valid: expected str, got int"),
    "field member": (b'{"input":1,"parcel":{"door":"1"}}', "bad_field", "parcel.code is missing"),
    "plugin's no": (b'{"input":1,"notify":"nobody"}', "refused", "notify is 'nobody'; name somebody"),
}


@pytest.mark.parametrize(("body", "code", "sentence"), BAD.values(), ids=BAD.keys())
def test_a_bad_body_is_answered_with_culprit_place_and_cure(body: bytes, code: str, sentence: str) -> None:
    error = refusal(body)
    assert (error.status, error.code) == (400, code)
    assert sentence in error.sentence


def test_a_plugin_that_fails_is_a_500_with_its_name() -> None:
    error = refusal(b'{"input":1,"notify":"bug"}')
    assert (error.status, error.code) == (500, "plugin_failed")
    assert "'p0' failed in accept: KeyError" in error.sentence


def test_a_secret_never_stands_in_a_refusal() -> None:
    error = refusal(b'{"input":1,"parcel":{"door":7,"code":"open-sesame"}}')
    assert "sesame" not in error.sentence


SECRETIVE = b'{"input":1,"parcel":{"door":"7","code":"open-sesame"}}'


def sealing(sealer: Sealer) -> Intake:
    plugin = LoadedPlugin(name="parcels", plugin=Notify(), fields=Notify.fields)
    return Intake(Hooks([plugin], Bridge()), sealer, Settings())


def test_a_request_with_a_secret_is_refused_when_there_is_no_key() -> None:
    error = refusal(SECRETIVE, sealing(Sealer([])))
    assert (error.status, error.code) == (400, "no_secret_key")
    assert "field 'parcel' is secret" in error.sentence
    assert "set WORKERKIT_SECRET_KEY to the output of `workerkit secret-key`" in error.sentence
    assert "sesame" not in error.sentence
    assert admit(b'{"input":1,"notify":"me"}', sealing(Sealer([]))).submission.fields == b'{"notify":"me"}'


def test_a_key_file_that_cannot_be_used_is_the_servers_fault(tmp_path: Path) -> None:
    file = tmp_path / "queue.db.key"
    file.write_text("not a key")
    file.chmod(0o644)
    error = refusal(SECRETIVE, sealing(Sealer([], file)))
    assert (error.status, error.code) == (503, "cannot_seal")
    assert f"chmod 600 {file}" in error.sentence
    file.chmod(0o600)
    assert "key 1 is not 32 bytes in base64" in refusal(SECRETIVE, sealing(Sealer([], file))).sentence


def test_the_depth_is_a_setting_and_brackets_in_strings_do_not_count() -> None:
    to = intake(limits=LimitsSettings(depth=3))
    assert admit(b'{"input":[[1]]}', to).submission.input == b"[[1]]"
    assert admit(json.dumps({"input": "[" * 50}).encode(), to)
    assert refusal(b'{"input":[[[1]]]}', to).code == "too_deep"


def test_a_small_request_costs_microseconds() -> None:
    to = intake(Notify())

    async def many(n: int) -> float:
        started = time.perf_counter()
        for _ in range(n):
            await to.admit("render", b'{"input":{"prompt":"hello"}}', sync=True)
        return (time.perf_counter() - started) / n

    assert min(asyncio.run(many(500)) for _ in range(5)) < 100e-6


def test_ids_are_uuids_in_the_order_of_their_time() -> None:
    ids = [ordered_uuid(now) for now in (1_000, 1_001, 1_764_000_000_000)]

    assert ids == sorted(ids)
    assert {uuid.UUID(id).version for id in ids} == {7}
    assert ordered_uuid(5) != ordered_uuid(5)
