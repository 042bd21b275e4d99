"""The registry: method name -> class, loaded on first use, from our catalogue and from plug-ins.

A third party adds a method with an entry point in its own distribution::

    [project.entry-points."matchbench.methods"]
    my_method = "my_package.retriever:MyRetriever"
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from harness.errors import MethodError, near
from harness.retriever import Retriever

GROUP = "matchbench.methods"


@dataclass(frozen=True, slots=True)
class MethodEntry:
    """Where a method comes from: its ``"module:Class"`` and the distribution that brings it."""

    name: str
    target: str
    distribution: str


@cache
def methods() -> Mapping[str, MethodEntry]:
    """Return every known method by name, without importing any of them.

    Raises
    ------
    MethodError
        A name is given twice; both distributions are named.
    """
    catalog: Mapping[str, str] = importlib.import_module("methods").CATALOG
    entries = [MethodEntry(name, target, "matchbench") for name, target in catalog.items()]
    entries += [_entry(point) for point in entry_points(group=GROUP)]
    return MappingProxyType(unique_by_name(entries))


def unique_by_name(entries: list[MethodEntry]) -> dict[str, MethodEntry]:
    """Return the entries by name; two of one name are an error that says who brings them."""
    found: dict[str, MethodEntry] = {}
    for entry in entries:
        other = found.setdefault(entry.name, entry)
        if other is not entry:
            raise MethodError(
                f"method name {entry.name!r} is given twice: {other.target} by "
                f"{other.distribution!r} and {entry.target} by {entry.distribution!r}; "
                "uninstall one or rename its entry point"
            )
    return found


def load_method(name: str) -> type[Retriever]:
    """Return the class behind a name.

    Raises
    ------
    MethodError
        Unknown name (near ones are offered), or a class that cannot be loaded or is no Retriever
        (the distribution is named).
    """
    known = methods()
    if name not in known:
        raise MethodError(f"unknown method {name!r}{near(name, known)}")
    return load_entry(known[name])


def load_entry(entry: MethodEntry) -> type[Retriever]:
    """Return the class of an entry; what goes wrong is blamed on its distribution."""
    module, _, attribute = entry.target.partition(":")
    blame = f"method {entry.name!r} ({entry.target}) of distribution {entry.distribution!r}"
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a plug-in may raise anything while it is imported
        raise MethodError(f"{blame} cannot be loaded: {type(error).__name__}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Retriever)):
        raise MethodError(f"{blame} is not a Retriever class but {found!r}")
    return found


def _entry(point: EntryPoint) -> MethodEntry:
    distribution = "an unknown distribution" if point.dist is None else point.dist.name
    return MethodEntry(point.name, point.value, distribution)
