"""What plugins, functions and distributions may be called, so that each place where a name stands can hold it."""

from __future__ import annotations

import re

#: A section of a settings file, a part of a variable such as WORKERKIT_NAME__FIELD, and a module.
SHAPE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def snake_case(name: str) -> str:
    """What is called `MyPlugin` in Python, as plugins are called: `my_plugin`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
