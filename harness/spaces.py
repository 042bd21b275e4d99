"""Spaces: which values of a method's build parameters `matchbench tune` may try.

A method declares its own in `Retriever.TuneSpace`; a suite's ``[case.tune]`` replaces it::

    TuneSpace = {"learning_rate": Range(1e-3, 3e-2, log=True), "dim": (32, 64, 128)}
    tune = { learning_rate = { low = 0.001, high = 0.03, log = true }, dim = [32, 64, 128] }
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from harness.errors import near
from harness.params import parse_value

RANGE_KEYS = ("low", "high", "log")


@dataclass(frozen=True, slots=True)
class Range:
    """Every value from ``low`` to ``high``, both included; whole numbers where both are.

    Attributes
    ----------
    log : values are drawn evenly in their logarithm.
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not -math.inf < self.low < self.high < math.inf:
            raise ValueError(f"low = {self.low} must be below high = {self.high}, both finite")
        if self.log and self.low <= 0:
            raise ValueError(f"low = {self.low} must be above 0 where log = true")

    @property
    def is_whole(self) -> bool:
        """Return whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def n_values(self) -> float:
        """Return how many values there are; infinity for real numbers."""
        return self.high - self.low + 1 if self.is_whole else math.inf


Axis = Range | tuple[Any, ...]  # a tuple is a list of choices
Space = Mapping[str, Axis]


def parse_space(params: type[Any], table: Mapping[str, Any]) -> tuple[Space, list[str]]:
    """Return the space of a suite's or a method's table, and every fault of it.

    Parameters
    ----------
    params : the method's BuildParams; every name is one of its fields, every value of its type.
    table : name -> a list or tuple of choices, a Range, or a table with low, high and log.
    """
    space: dict[str, Axis] = {}
    faults = []
    for name, given in table.items():
        try:
            space[name] = _axis(params, name, given)
        except ValueError as error:
            faults.append(str(error))
    return space, faults


def plain_space(space: Space) -> dict[str, Any]:
    """Return a space as a suite file holds it, in JSON values.

    >>> plain_space({"dim": (32, 64), "rate": Range(0.1, 1.0)})
    {'dim': [32, 64], 'rate': {'low': 0.1, 'high': 1.0, 'log': False}}
    """
    return {
        name: {"low": axis.low, "high": axis.high, "log": axis.log}
        if isinstance(axis, Range)
        else [plain_value(one) for one in axis]
        for name, axis in space.items()
    }


def plain_value(value: Any) -> Any:
    """Return a value as JSON and TOML have it: a tuple as a list."""
    return list(value) if isinstance(value, tuple) else value


def draw(space: Space, random: np.random.Generator) -> dict[str, Any]:
    """Return one setting by lot, in JSON values."""
    return {name: _draw(axis, random) for name, axis in space.items()}


def size_of(space: Space) -> float:
    """Return how many settings a space holds; infinity where a parameter is a real number.

    >>> size_of({"dim": (32, 64), "n": Range(1, 10)}), size_of({"rate": Range(0.1, 1.0)})
    (20, inf)
    """
    return math.prod(
        axis.n_values if isinstance(axis, Range) else len(axis) for axis in space.values()
    )


def _draw(axis: Axis, random: np.random.Generator) -> Any:
    if isinstance(axis, tuple):
        return plain_value(axis[int(random.integers(len(axis)))])
    if axis.is_whole:
        return int(random.integers(int(axis.low), int(axis.high) + 1))
    return float(random.uniform(axis.low, axis.high))


def _axis(params: type[Any], name: str, given: Any) -> Axis:
    known = [one.name for one in fields(params)]
    if name not in known:
        raise ValueError(f"unknown parameter {name!r}{near(name, known)}")
    if isinstance(given, list | tuple):
        values = tuple(parse_value(params, name, one) for one in given)
        if not values:
            raise ValueError(f"{name} = [] names no value")
        if twice := [one for place, one in enumerate(values) if one in values[:place]]:
            raise ValueError(f"{name} = {list(given)} names {twice[0]!r} twice")
        return values
    if isinstance(given, Mapping):
        given = _range(name, given)
    if not isinstance(given, Range):
        expected = "a list of choices, or { low = ..., high = ..., log = true or false }"
        raise ValueError(f"{name} = {given!r} is no space; expected {expected}")
    low, high = (parse_value(params, name, one) for one in (given.low, given.high))
    if isinstance(low, bool) or not isinstance(low, int | float) or type(low) is not type(high):
        raise ValueError(f"{name} takes no numbers; give it a list of choices")
    return Range(low, high, given.log)


def _range(name: str, table: Mapping[str, Any]) -> Range:
    for key in table:
        if key not in RANGE_KEYS:
            raise ValueError(f"{name}: unknown key {key!r}{near(key, RANGE_KEYS)}")
    for key in ("low", "high"):
        if key not in table:
            raise ValueError(f"{name}: the key {key!r} is missing")
        if isinstance(table[key], bool) or not isinstance(table[key], int | float):
            raise ValueError(f"{name}: {key} = {table[key]!r} has the wrong type; expected number")
    if not isinstance(table.get("log", False), bool):
        raise ValueError(f"{name}: log = {table['log']!r} has the wrong type; expected bool")
    try:
        return Range(table["low"], table["high"], table.get("log", False))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
