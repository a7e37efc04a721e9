"""The public names: what may be imported, how it is called, what it says of itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from types import MappingProxyType
from typing import Any, Generic

import attrs

from made.source import Member, members
from made.tables import block, code, table

ERRORS = "workerkit.errors"
#: Where a name is at home, and the heading it goes under, in the order of the page.
GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "function": "Decorating a function",
        "job": "A job, its request and its end",
        "resources": "What plugins provide",
        "hooks.implementations": "Marking a hook",
        "delivery": "What follows a job",
        "job_run": "One job in the test's own process",
        "server": "A server",
        "fixtures": "What the fixture `workerkit_serve` is",
        "receiver": "A receiver of webhooks",
        "bucket": "A bucket",
        "recorder": "A plugin that records",
        "clock": "A clock",
        "waiting": "Waiting for something",
        "plugin_contract": "What is expected of a plugin",
        "queue_contracts": "What is expected of a queue",
        "base": "The contract and its values",
        "": "Versions",
    }
)
#: The type that pytest gives to a fixture in a class.
FIXTURE = "FixtureFunctionDefinition"
COMPUTED = (property, cached_property)
QUOTED = re.compile(r"""(: |-> )(['"])(.+?)\2(?=[,)=]| =|$)""")


def of(module: str) -> str:
    """Everything in a module's `__all__` but the errors that have a page of their own."""
    package = import_module(module)
    homes: dict[str, list[str]] = {home: [] for home in GROUPS}
    for name in sorted(package.__all__, key=lambda name: inspect.isclass(getattr(package, name))):
        value = getattr(package, name)
        if not _is_error(value) or value.__module__ != ERRORS:
            homes[_home(package, name)].append(name)
    parts = []
    for home, found in homes.items():
        if found:
            parts += [f"## {GROUPS[home]}", *(_one(name, getattr(package, name)) for name in found)]
    return "\n\n".join(parts)


def table_of(module: str, name: str) -> str:
    """The members of a class as a table."""
    return _rows("member", members(getattr(import_module(module), name)))


def fixtures() -> str:
    """The fixtures that pytest finds by itself."""
    found = vars(import_module("workerkit.testing.fixtures")).items()
    rows = [(code(name), _sentence(value)) for name, value in found if name.startswith("workerkit_")]
    return table(("fixture", "what it is"), rows)


def errors() -> str:
    """The tree of errors, then each of them."""
    module = import_module(ERRORS)
    tree = (module.__doc__ or "").partition("\n\n")[2].strip()
    kinds = filter(_is_error, vars(module).values())
    return "\n\n".join([block(tree), *(_one(kind.__name__, kind, level=2) for kind in kinds)])


def _is_error(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, BaseException)


def _home(package: Any, name: str) -> str:
    """The module that the package says it imports a name from."""
    # A package that imports all at once is of one piece.
    home = package._HOME.get(name, "") if hasattr(package, "_HOME") else "base"
    return home if home in GROUPS else ""


def _one(name: str, value: Any, level: int = 3) -> str:
    heading = f"{'#' * level} `{name}` {{#{name.strip('_')}}}"
    if inspect.isclass(value):
        return "\n\n".join(filter(None, [heading, *_class(value)]))
    if callable(value):
        return "\n\n".join([heading, block(f"{name}{_signature(value)}", "python"), _doc(value)])
    return f"{heading}\n\n`{value!r}`"


def _class(cls: type) -> Iterator[str]:
    if "__init__" in vars(cls) and not attrs.has(cls):
        yield block(f"{cls.__name__}{_signature(cls)}".removesuffix(" -> None"), "python")
    yield _doc(cls)
    bases = [base.__name__ for base in cls.__bases__ if base not in (object, Generic)]
    if bases:
        yield f"Bases: {', '.join(map(code, bases))}."
    if hasattr(cls, "__members__"):
        yield ", ".join(map(code, cls.__members__)) + "."
    elif found := members(cls):
        yield _rows("attribute", found)
    public = {name: value for name, value in vars(cls).items() if not name.startswith("_")}
    tests = [name for name in public if name.startswith("test_")]
    yield from (_member(name, value) for name, value in public.items() if name not in tests)
    if tests:
        yield "\n".join(["Its tests:", "", *(f"- {_promise(name, public[name])}" for name in tests)])


def _member(name: str, value: Any) -> str:
    """A method, a property or a fixture; nothing for what is not one of these."""
    function = getattr(value, "__func__", value)
    if isinstance(value, COMPUTED) or type(value).__name__ == FIXTURE:
        return _definition(name, value)
    return _definition(f"{name}{_signature(function)}", function) if inspect.isfunction(function) else ""


def _promise(name: str, test: Any) -> str:
    """What a test of a contract holds to: its own words, else its name, which is a sentence."""
    words = name.removeprefix("test_").replace("_", " ")
    return _sentence(test) or f"{words[0].upper()}{words[1:]}."


def _rows(what: str, found: Sequence[Member]) -> str:
    rows = [(code(m.name), code(m.annotation), code(m.default), m.meaning) for m in found]
    return table((what, "type", "default", "meaning"), rows)


def _definition(term: str, value: Any) -> str:
    """A member of a class with its text."""
    term = block(term, "python") if "\n" in term else code(term)
    text = _doc(value).replace("\n", "\n    ")
    return f"{term}\n:   {text}"


def _signature(function: Any) -> str:
    """Parameters and result; each parameter has a line of its own when they do not fit into one."""
    found = inspect.signature(function)
    parameters = [p for p in found.parameters.values() if p.name not in ("self", "cls")]
    text = QUOTED.sub(r"\1\3", str(found.replace(parameters=parameters))).replace("mappingproxy({})", "{}")
    return text if len(text) < 90 else _broken(text)


def _broken(text: str) -> str:
    inside, _, result = text.removeprefix("(").rpartition(")")
    depth, lines = 0, [""]
    for char in inside:
        depth += (char in "[(") - (char in "])")
        lines[-1] += char
        if char == "," and depth == 0:
            lines.append("")
    return "(\n" + "\n".join(f"    {line.strip()}" for line in lines) + f"\n){result}"


def _doc(value: Any) -> str:
    return inspect.getdoc(value) or ""


def _sentence(value: Any) -> str:
    """The first paragraph of the docstring, as one line."""
    return " ".join(_doc(value).partition("\n\n")[0].split())
