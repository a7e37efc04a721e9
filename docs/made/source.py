"""What only the source says: the `#:` comments above fields, and what `__init__` sets."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping

import attrs

COMMENT = "#:"


@attrs.frozen
class Member:
    """A field or attribute of a class: its annotation and default as they are written."""

    name: str
    annotation: str
    default: str
    meaning: str


def members(cls: type) -> list[Member]:
    """The public fields of an attrs class, or the public attributes that another's `__init__` sets."""
    source = textwrap.dedent(inspect.getsource(cls))
    [tree] = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    comments = _comments(source.splitlines())
    found = _fields(tree, comments) if attrs.has(cls) else _attributes(tree, comments)
    return [member for member in found if not member.name.startswith("_")]


def _comments(lines: list[str]) -> Mapping[int, str]:
    """The number of a line (from 1) to the comment right above it."""
    spoken, said = {}, ""
    for number, line in enumerate(map(str.strip, lines), 1):
        if line.startswith(COMMENT):
            said = f"{said} {line.removeprefix(COMMENT).strip()}".lstrip()
        else:
            spoken[number], said = said, ""
    return spoken


def _fields(tree: ast.ClassDef, comments: Mapping[int, str]) -> Iterator[Member]:
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            annotation = ast.unparse(node.annotation)
            if not annotation.startswith("ClassVar"):
                yield Member(node.target.id, annotation, _default(node.value), comments[node.lineno])


def _attributes(tree: ast.ClassDef, comments: Mapping[int, str]) -> Iterator[Member]:
    """`self.name = name` in `__init__` has the type of the parameter; other values tell no type."""
    for init in tree.body:
        if not isinstance(init, ast.FunctionDef) or init.name != "__init__":
            continue
        given = [*init.args.args, *init.args.kwonlyargs]
        types = {arg.arg: ast.unparse(arg.annotation) for arg in given if arg.annotation}
        for node in init.body:
            target: ast.expr
            if isinstance(node, ast.AnnAssign):
                target, annotation = node.target, ast.unparse(node.annotation)
            elif isinstance(node, ast.Assign):
                target, annotation = node.targets[0], types.get(ast.unparse(node.value), "")
            else:
                continue
            if isinstance(target, ast.Attribute):
                yield Member(target.attr, annotation, "", comments[node.lineno])


def _default(node: ast.expr | None) -> str:
    """The default as it is written, also inside of an attrs `field(...)`; empty when there is none."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("field"):
        node = next((keyword.value for keyword in node.keywords if keyword.arg == "default"), None)
    written = "" if node is None else ast.unparse(node)
    return "{}" if written == "EMPTY" else written
