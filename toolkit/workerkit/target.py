"""Loading what a person named on the command line: a file, a module, installed functions."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs

from workerkit.errors import TargetError, suggest
from workerkit.function import WorkerFunction
from workerkit.handlers import offer_of, refs_of

Function = WorkerFunction[..., Any]


@attrs.frozen
class Target:
    """A loaded target: its functions by endpoint name, in the order of the module."""

    spec: str
    functions: Mapping[str, Function]


def load_target(spec: str) -> Target:
    """Import `FILE.py`, `FILE.py:function`, `pkg.module`, `pkg.module:function` or an installed target.

    The file's folder, or the working directory for a module, comes first on `sys.path`; for what is
    installed it stays as it is. Raises `TargetError` with a sentence; an exception of the target's own
    code is chained to it.
    """
    if refs := refs_of(spec):
        return Target(spec, {name: _load_installed(name, ref) for name, ref in refs.items()})
    place, _, wanted = spec.partition(":")
    module = _load_file(Path(place)) if _is_file(place) else _load_module(place)
    functions = _functions(place, module)
    if wanted:
        chosen = _choose(place, module, functions, wanted)
        functions = {chosen.name: chosen}
    return Target(spec, functions)


def check_file(spec: str) -> None:
    """Raise `TargetError` when `spec` names a file that is not there; loads nothing."""
    place = spec.partition(":")[0]
    if _is_file(place) and not Path(place).is_file():
        raise TargetError(_missing_file(Path(place)))


def _is_file(place: str) -> bool:
    return place.endswith(".py") or os.sep in place


def _load_file(path: Path) -> ModuleType:
    check_file(str(path))
    path = path.resolve()
    _first_on_path(path.parent)
    # The name that `import` would give it, unless another module has that already.
    name = path.stem if path.stem not in sys.modules else f"{path.stem}@{path.parent}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise TargetError(f"{path} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader = spec.loader
    try:
        _execute(str(path), path.parent, lambda: loader.exec_module(module))
    except TargetError:
        del sys.modules[name]
        raise
    return module


def _load_module(name: str) -> ModuleType:
    _first_on_path(Path.cwd())
    if not all(part.isidentifier() for part in name.split(".")):
        raise TargetError(f"{name!r} is neither a Python file nor a module; give FILE.py or pkg.module")
    try:
        module: ModuleType = _execute(name, Path.cwd(), lambda: importlib.import_module(name))
        return module
    except TargetError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and f"{name}.".startswith(f"{cause.name}."):
            raise TargetError(_missing_module(name, cause)) from None
        raise


def _load_installed(name: str, ref: str) -> Function:
    """The function that an entry point names."""
    place, _, variable = ref.partition(":")
    try:
        module = _execute(place, Path.cwd(), lambda: importlib.import_module(place))
        functions = {key: value for key, value in vars(module).items() if isinstance(value, WorkerFunction)}
        function = _choose(place, module, functions, variable)
        if function.name != name:
            raise TargetError(
                f"the function is named {function.name!r} and its entry point {name!r}; give both one name, "
                f'with @worker_function(name="{name}") or {function.name} = "{ref}"'
            )
    except TargetError as error:
        offer = offer_of(name, ref)
        raise TargetError(
            f"{offer} cannot be served: {error}; if that is not yours to mend, update {offer.dist_name}, "
            "or leave the function out and name others after --installed"
        ) from error.__cause__
    return function


def _execute(place: str, root: Path, load: Callable[[], Any]) -> Any:
    """Run the target's own code; whatever it raises becomes a `TargetError` with file and line."""
    try:
        return load()
    except TargetError as error:
        # Raised by our decorator in the target's code: the sentence is there, the line is not.
        raise TargetError(f"{error} ({_where(error, root)})") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        cure = ""
        if isinstance(error, ModuleNotFoundError):
            cure = f"; install it for {sys.executable}"
        elif isinstance(error, SystemExit):
            cure = (
                "; it ends the program while it is imported, so keep that under `if __name__ == '__main__':`"
            )
        raise TargetError(
            f"{place} cannot be imported: {type(error).__name__}: {error} ({_where(error, root)}){cure}"
        ) from error


def _where(error: BaseException, root: Path) -> str:
    """The line to blame: the last one in the target's folder, else the last outside our own code."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"line {error.lineno} of {error.filename}"
    not_theirs = (os.path.dirname(__file__) + os.sep, "<frozen")
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith(not_theirs)]
    local = [
        f for f in frames if f.filename.startswith(f"{root}{os.sep}") and "site-packages" not in f.filename
    ]
    for frame in reversed(local or frames):
        return f"line {frame.lineno} of {frame.filename}"
    return "before its first line"


def _functions(place: str, module: ModuleType) -> dict[str, Function]:
    functions: dict[str, Function] = {}
    for value in vars(module).values():
        if not isinstance(value, WorkerFunction):
            continue
        other = functions.setdefault(value.name, value)
        if other is not value:
            raise TargetError(
                f"{place}: {other.function.__qualname__} and {value.function.__qualname__} are both named {value.name!r}; "
                'give one of them another with @worker_function(name="...")'
            )
    if not functions:
        raise TargetError(f"{place} holds no function to serve; decorate one with @worker_function")
    return functions


def _choose(place: str, module: ModuleType, functions: Mapping[str, Function], wanted: str) -> Function:
    if wanted in functions:
        return functions[wanted]
    value = getattr(module, wanted, None)
    if isinstance(value, WorkerFunction):
        return value
    if callable(value):
        raise TargetError(f"{wanted} in {place} is not decorated; put @worker_function above it")
    raise TargetError(f"{place} has no function {wanted!r}{suggest(wanted, functions)}")


def _missing_file(path: Path) -> str:
    near = _python_files(path.parent)
    listed = suggest(path.name, near) if near else f" (there is no Python file in {path.parent.resolve()})"
    return f"the file {path} does not exist{listed}"


def _missing_module(name: str, error: ModuleNotFoundError) -> str:
    files = _python_files(Path.cwd())
    modules: Iterable[str] = (Path(file).stem for file in files)
    return (
        f"there is no module {error.name!r} in {Path.cwd()} or installed for {sys.executable}"
        f"{suggest(name, modules)}"
    )


def _python_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.py")) if folder.is_dir() else []


def _first_on_path(folder: Path) -> None:
    text = str(folder)
    if sys.path[:1] != [text]:
        sys.path.insert(0, text)
