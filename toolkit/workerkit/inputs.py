"""Typed input: the keys of `job["input"]` as values of the types that a handler's parameters have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from inspect import Parameter
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

import msgspec

from workerkit import hints
from workerkit.errors import JobFailed, TargetError, suggest
from workerkit.files import InputFile
from workerkit.job import Job
from workerkit.resource import Resource

#: JSON's names for what msgspec does not name itself.
JSON_NAMES: Mapping[type, str] = MappingProxyType({dict: "object", list: "array", type(None): "null"})
#: Characters of an unknown key that are told.
LONGEST_KEY = 60
#: How a parameter is annotated that has an annotation no input can fill.
CURE = (
    "annotate it with plain types, an attrs class, a dataclass, a TypedDict, a Literal, an Enum or InputFile, "
    "or with the Resource class that a plugin provides"
)
FOR_A_FILE = "for a file that the input names, annotate it InputFile"
KEPT = "; without annotation it keeps its default beside a `job`"


class Inputs:
    """What one function takes from its jobs' input. `keys` are parameters, with annotations as types.

    `others` is the `**` parameter that takes all other keys, `taken` the names that none of those may
    have, `meaning` the function's docstring. Raises `TargetError` for a type that JSON cannot fill.
    """

    def __init__(
        self,
        function: str,
        keys: Sequence[Parameter],
        *,
        others: Parameter | None,
        taken: Collection[str],
        meaning: str,
    ) -> None:
        self._keys = {key.name: key for key in keys}
        self.others = "" if others is None else others.name
        self._others = dict[str, Any] if others is None else dict[str, _hint(function, others)]  # type: ignore[misc]
        self._taken = taken
        self._type = msgspec.defstruct(
            function,
            [_field(function, key) for key in keys],
            kw_only=True,
            forbid_unknown_fields=others is None,
            namespace={"__doc__": meaning},
        )

    def read(self, job: Job) -> tuple[dict[str, Any], list[InputFile]]:
        """The value of each key by its name, and every file in them, which is still to be fetched.

        Raises `JobFailed` with a sentence: `input.width is not valid: expected int, got str`.
        """
        files: list[InputFile] = []
        others = self._unnamed(job.input) if isinstance(job.input, dict) else {}
        values = msgspec.structs.asdict(_converted(job.input, self._type, files))
        return values | (_converted(others, self._others, files) if others else {}), files

    def schema(self) -> bytes:
        """The input's JSON schema."""
        (whole, others), inner = msgspec.json.schema_components(
            [self._type, self._others], schema_hook=_schema_of, ref_template="#/$defs/{name}"
        )
        schema = inner.pop(whole["$ref"].rpartition("/")[2])
        if self.others and "additionalProperties" in others:
            schema["additionalProperties"] = others["additionalProperties"]
        for name, key in self._keys.items():
            if key.default is not key.empty:
                with suppress(TypeError):  # JSON cannot hold it
                    schema["properties"][name]["default"] = msgspec.to_builtins(key.default, str_keys=True)
        return msgspec.json.encode({**schema, **({"$defs": inner} if inner else {})})

    def _unnamed(self, input: Mapping[str, Any]) -> dict[str, Any]:
        """What no parameter is named after; an error when there is no `**` parameter to take it."""
        others = {key: value for key, value in input.items() if key not in self._keys}
        for key in others:
            if not self.others or key in self._taken:
                short = key if len(key) <= LONGEST_KEY else f"{key[:LONGEST_KEY]}…"
                path = f"input.{short}" if short.isidentifier() else f"input[{short!r}]"
                raise JobFailed(f"{path} is unknown{suggest(short, self._keys)}")
        return others


def _field(function: str, key: Parameter) -> tuple[str, Any, Any]:
    hint = _hint(function, key)
    if key.default is key.empty:
        return key.name, hint, msgspec.NODEFAULT
    # The function's own object, as when it is called without the argument.
    return key.name, hint, msgspec.field(default_factory=lambda: key.default)


def _hint(function: str, key: Parameter) -> Any:
    """The type of a parameter, which takes null when its default is None. Raises `TargetError`."""
    hint = Any if key.annotation is key.empty else key.annotation
    try:
        hint = hint | None if key.default is None else hint
        msgspec.json.schema(hint, schema_hook=_schema_of)
    except Exception as error:  # annotations of classes within are expressions, too
        fault = str(error).partition(" - ")[0]
        cure = FOR_A_FILE if isinstance(error, _IsPath) else CURE
        raise TargetError(
            f"worker function {function!r}: no input can fill the parameter {key.name!r}, which is "
            f"annotated {hints.written(hint)}: {fault}; {cure}{'' if key.default is key.empty else KEPT}"
        ) from error
    return hint


class _IsPath(TypeError):
    """A type is a path's, with which a file may be meant."""


def _schema_of(kind: type) -> dict[str, Any]:
    """The JSON schema of what msgspec does not know."""
    if kind is InputFile:
        return {"type": "string", "format": "uri"}
    if isinstance(kind, type) and issubclass(kind, Resource):
        raise TypeError(
            f"{kind.__name__} is a Resource, which is the whole annotation, alone or with `| None`"
        )
    if isinstance(kind, type) and issubclass(kind, PurePath):
        raise _IsPath(f"{kind.__name__} cannot be made of JSON")
    raise TypeError(f"{getattr(kind, '__name__', kind)} cannot be made of JSON")


def _converted(value: Any, hint: Any, files: list[InputFile]) -> Any:
    """Decoded JSON as what the hint says; the files in it are added to `files`."""

    def file(kind: type, url: Any) -> InputFile:
        if not isinstance(url, str):
            raise ValueError(f"Expected `str`, got `{JSON_NAMES.get(type(url), type(url).__name__)}`")
        files.append(InputFile(url))
        return files[-1]

    def convert(value: Any, hint: Any) -> Any:
        return msgspec.convert(value, hint, strict=True, str_keys=True, dec_hook=file)

    try:
        return convert(value, hint)
    except msgspec.ValidationError as error:
        fault, place = hints.parted(error)
        named = hints.named(hint, value, place, convert)
        path = f"input.{named}" if named and not named.startswith("[") else f"input{named}"
        raise JobFailed(
            hints.sentence(path, fault, hints.at(hint, place), hints.found(value, place))
        ) from None
