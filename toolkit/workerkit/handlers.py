"""Handlers that distributions offer by entry point: the host chooses, its workers are told where they are.

Both speak of them in one target, such as `installed:render=studio.paint:render,caption=studio.text:caption`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence

from workerkit.errors import TargetError, suggest
from workerkit.function import NAME
from workerkit.installed import FUNCTIONS, Point, installed, only, trusted

log = logging.getLogger(__name__)

PREFIX = "installed:"
REF = re.compile(r"[\w.]+:\w+")
NONE = (
    "no installed distribution offers a function; install one that does, which says so in its pyproject.toml: "
    f'[project.entry-points."{FUNCTIONS}"] render = "my_package:render"'
)


def installed_target(names: Sequence[str], autoload: bool | Sequence[str]) -> str:
    """The target of these installed functions; without names, of all that `[plugins] autoload` trusts.

    To name one is to trust it. Raises `TargetError` with a sentence.
    """
    known = installed(FUNCTIONS)
    if not known:
        raise TargetError(NONE)
    offers = _named(names, known, autoload) if names else _trusted(known, autoload)
    return PREFIX + ",".join(f"{offer.name}={offer.ref}" for offer in offers)


def refs_of(target: str) -> Mapping[str, str]:
    """The functions of an installed target, each with its `module:function`; none for a file or a module."""
    listed = target.removeprefix(PREFIX)
    if listed == target or "=" not in listed:
        return {}
    return dict(pair.split("=", 1) for pair in listed.split(","))


def shown(target: str) -> str:
    """A target for people: `studio 1.2 (caption, render)`, or the file or module as it was given."""
    names: dict[str, list[str]] = {}
    for name, ref in refs_of(target).items():
        names.setdefault(offer_of(name, ref).dist, []).append(name)
    return " and ".join(f"{dist} ({', '.join(names)})" for dist, names in names.items()) or target


def offer_of(name: str, ref: str) -> Point:
    """Who offers a function; searched for, so for what people read only."""
    offers = installed(FUNCTIONS).get(name, ())
    gone = Point(name, ref, "a distribution that is gone", "its distribution", FUNCTIONS)
    return next((offer for offer in offers if offer.ref == ref), gone)


def _named(
    names: Sequence[str], known: Mapping[str, Sequence[Point]], autoload: bool | Sequence[str]
) -> list[Point]:
    """What is asked for by name. Among several of one name trust decides, so that no newcomer takes a place."""
    for name in names:
        if name not in known:
            raise TargetError(f"no installed function is named {name!r}{suggest(name, known)}")
    return [
        _one([offer for offer in known[name] if trusted(offer, autoload)] or known[name])
        for name in dict.fromkeys(names)
    ]


def _trusted(known: Mapping[str, Sequence[Point]], autoload: bool | Sequence[str]) -> list[Point]:
    """One offer of each name that is trusted; the log says what is left out."""
    chosen = []
    for name in sorted(known):
        good = [offer for offer in known[name] if trusted(offer, autoload)]
        for offer in known[name]:
            if offer not in good:
                log.warning(
                    "not served: %s; let [plugins] autoload name %r, or ask for it: --installed %s",
                    offer,
                    offer.dist_name,
                    offer.name,
                )
        if good:
            chosen.append(_one(good))
    if not chosen:
        raise TargetError(
            "[plugins] autoload trusts no distribution that offers a function; let it name one, "
            f"or ask for functions by name: --installed {' '.join(sorted(known))}"
        )
    return chosen


def _one(offers: Sequence[Point]) -> Point:
    """The one offer of a name, when its entry point is one of a function."""
    offer = only(offers, f"or serve one by its module: workerkit serve {offers[0].ref}")
    if not (NAME.fullmatch(offer.name) and REF.fullmatch(offer.ref)):
        raise TargetError(
            f'{offer} cannot be served; its author must write the entry point as NAME = "module:function", '
            "the name made of 1 to 63 letters, digits, '-' and '_'"
        )
    return offer
