"""What a new distribution is called, in each place where its name appears."""

from __future__ import annotations

import builtins
import keyword
import re
import sys
import unicodedata
from importlib.metadata import Distribution, packages_distributions

import attrs
import click

import workerkit
from workerkit.installed import FUNCTIONS, PLUGINS, installed
from workerkit.names import SHAPE, snake_case

LONGEST = 30
#: What a handler's templates import.
USED = ("annotations", "run_job", "worker_function")


@attrs.frozen
class Names:
    """`name` is the entry point's; the folder is called like the distribution."""

    name: str
    distribution: str
    module: str
    #: What the entry point names in the module.
    attribute: str


def plugin_names(text: str) -> Names:
    """Names for a plugin; the distribution's spelling is understood too. Raises `click.UsageError`."""
    name = _shaped("plugin", text, re.sub(r"^workerkit[-_]", "", text))
    names = Names(name, f"workerkit-{name.replace('_', '-')}", f"workerkit_{name}", _class(name))
    _refuse("plugin", names, _reserved(name) or _already(PLUGINS, names))
    return names


def handler_names(text: str) -> Names:
    """Names for a handler, whose function is called like its module. Raises `click.UsageError`.

    Its distribution is not: under a plain word, an index may have somebody else's.
    """
    name = _shaped("handler", text, re.sub(r"^workerkit[-_]handler[-_]", "", text))
    names = Names(name, f"workerkit-handler-{name.replace('_', '-')}", name, name)
    _refuse("handler", names, _of_python(name) or _already(FUNCTIONS, names))
    return names


def _shaped(kind: str, text: str, name: str) -> str:
    name = name.replace("-", "_")
    if SHAPE.fullmatch(name) and len(name) <= LONGEST:
        return name
    raise click.UsageError(
        f"{text!r} cannot name a {kind}; use at most {LONGEST} of a-z, 0-9 and '_', beginning with a letter, "
        f"such as {_corrected(name)!r}"
    )


def _refuse(kind: str, names: Names, fault: str) -> None:
    if fault:
        raise click.UsageError(
            f"{names.name!r} cannot name a {kind}: {fault}choose another name, such as 'my_{names.name}'"
        )


def _reserved(name: str) -> str:
    from workerkit.settings import RESERVED  # here: `--help` needs no settings

    if name in RESERVED:
        return f"{name} is a name in workerkit's own settings; "
    return "it is a keyword of Python; " if keyword.iskeyword(name) else ""


def _of_python(name: str) -> str:
    if keyword.iskeyword(name):
        return "it is a keyword of Python; "
    if name in USED:
        return "the code that is made uses that name itself; "
    if name in sys.stdlib_module_names:
        return "Python's standard library has a module of that name, which would be imported instead; "
    return "Python has a built-in function of that name; " if hasattr(builtins, name) else ""


def _already(group: str, names: Names) -> str:
    """Who has the entry point, the module or the distribution's name in this environment."""
    points = installed(group).get(names.name, ())
    if points and points[0].dist_name == "workerkit":
        swap = f'replaces = "{names.name}"'
        return f"workerkit comes with a plugin of that name, whose place another takes by `{swap}`; "
    owners = [point.dist for point in points] or packages_distributions().get(names.module) or _same(names)
    return f"{owners[0]} is installed and has that name; uninstall it, or " if owners else ""


def _same(names: Names) -> list[str]:
    """The distribution of that name, or of the module's; an editable one does not say which modules it has."""
    wanted = (names.distribution, names.module)
    found = [one for name in wanted for one in Distribution.discover(name=name)]
    return [f"{found[0].name} {found[0].version}"] if found else []


def _class(name: str) -> str:
    camel = "".join(part.capitalize() for part in name.split("_"))
    clashes = {*workerkit.__all__, "Any", "ClassVar"}
    return f"{camel}Plugin" if camel in clashes or keyword.iskeyword(camel) else camel


def _corrected(text: str) -> str:
    """The nearest name that is allowed."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "_", snake_case(plain)).strip("_")
    beginning = words if words[:1].isalpha() else f"my_{words or 'name'}"
    return beginning[:LONGEST].strip("_")
