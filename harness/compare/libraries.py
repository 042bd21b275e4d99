"""Libraries of two measurements: which of them can have made a difference."""

from collections.abc import Mapping

# Each is loaded by the methods that cannot work without it, and by nothing else.
OPTIONAL = ("hnswlib", "scann", "pyseismic-lsr")


def differing(base: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Return the names whose values differ, without what did no work on either side.

    Where an optional library is missing, nothing was done by it. What the other side did by it, if
    anything, is a method that this side could not run: no other version of the same work.

    >>> differing({"numpy": "2.4.6"}, {"numpy": "2.4.7", "hnswlib": "0.8.0"})
    ['numpy']
    >>> differing({"hnswlib": "0.7.0"}, {"hnswlib": "0.8.0"})
    ['hnswlib']
    """
    return [
        name
        for name in dict.fromkeys([*base, *other])
        if base.get(name) != other.get(name)
        and not (name in OPTIONAL and (name not in base or name not in other))
    ]


def always_there(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the versions without those of optional libraries."""
    return {name: value for name, value in environment.items() if name not in OPTIONAL}


def optional(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the versions of optional libraries, as far as they are there."""
    return {name: environment[name] for name in OPTIONAL if name in environment}
