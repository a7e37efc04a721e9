"""What the specifications say of each hook, and what each version of the contract added."""

from __future__ import annotations

import inspect
import re

from made.tables import block, code, table
from workerkit import hookspecs
from workerkit.hooks.implementations import ARGUMENTS, HOST_HOOKS

WORDS = ("When", "Where", "Order", "Return", "Raise")
POLICIES = {
    " A gate.": "gate: an exception stops what the hook guards",
    " A notice.": "notice: an exception is logged with the plugin's name, and the other plugins are still called",
}


def signature(name: str) -> str:
    """The hook as a plugin writes it."""
    return f"{name}({', '.join(ARGUMENTS[name])})"


def contract(name: str) -> str:
    """The specification's text as a list: when, where, in what order, what returning and raising do."""
    summary, answers, policy = parsed(name)
    rows = [f"- **{word}:** {answers[word]}" for word in WORDS]
    rows += [f"- **Policy:** {policy}."] if policy else []
    return "\n\n".join([block(typed(name), "python"), summary, "\n".join(rows)])


def typed(name: str) -> str:
    """The signature with its types."""
    found = inspect.signature(getattr(hookspecs, name))
    return f"{name}{found}".replace("'", "")


def parsed(name: str) -> tuple[str, dict[str, str], str]:
    """A specification in parts: what it is for, its five answers, its policy."""
    text = " ".join((inspect.getdoc(getattr(hookspecs, name)) or "").split())
    policy = ""
    for ending, said in POLICIES.items():
        if text.endswith(ending):
            text, policy = text.removesuffix(ending), said
    summary, *rest = re.split(rf"({'|'.join(WORDS)}): ", text)
    return summary.strip(), dict(zip(rest[::2], map(str.strip, rest[1::2]), strict=True)), policy


def overview() -> str:
    """A row for each hook."""
    rows = [
        (f"[`{signature(name)}`](#{name})", "host" if name in HOST_HOOKS else "worker", parsed(name)[0])
        for name in specified()
    ]
    return table(("hook", "process", "for"), rows)


def specified() -> list[str]:
    """The hooks in the order in which the specifications stand."""
    return [name for name, value in vars(hookspecs).items() if hasattr(value, "workerkit_spec")]


def versions() -> str:
    """What each version of the contract added, the newest first."""
    added = sorted(hookspecs.VERSIONS.items(), reverse=True)
    return table(
        ("version", "added"), [(str(version), ", ".join(map(code, what))) for version, what in added]
    )
