"""A table of a suite file -> a method's frozen parameter dataclass, with helpful refusals."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

from harness.errors import near


def parse_params(cls: type[Any], given: Mapping[str, Any]) -> Any:
    """Return ``cls(**given)`` after checking names and types.

    Raises
    ------
    ValueError
        Unknown name, wrong type, or a value that the dataclass refuses; says what was given and
        what was expected. The caller adds where.
    """
    hints = typing.get_type_hints(cls)
    known = [one.name for one in dataclasses.fields(cls)]
    values = {}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"unknown parameter {name!r}{near(name, known)}")
        values[name] = _convert(name, value, hints[name])
    return cls(**values)


def parse_value(cls: type[Any], name: str, value: Any) -> Any:
    """Return one value of a parameter of ``cls`` after checking its type alone.

    Raises
    ------
    ValueError
        The value has the wrong type, or is none of the choices.
    """
    return _convert(name, value, typing.get_type_hints(cls)[name])


def describe_params(cls: type[Any]) -> dict[str, str]:
    """Return ``{name: "type = default"}`` for help texts, in the order of the class."""
    hints = typing.get_type_hints(cls)
    return {
        one.name: f"{type_name(hints[one.name])} = {one.default!r}"
        for one in dataclasses.fields(cls)
    }


def type_name(hint: Any) -> str:
    """Return a type as a reader of a suite file would say it."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(repr(one) for one in args)
    if origin in (types.UnionType, Union):
        return " or ".join("none" if one is type(None) else type_name(one) for one in args)
    if origin is tuple:
        return f"list of {type_name(args[0])}"
    return getattr(hint, "__name__", str(hint))


def _convert(name: str, value: Any, hint: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (types.UnionType, Union):
        if value == "none" and type(None) in args:  # TOML has no null
            return None
        for one in args:
            try:
                return _convert(name, value, one)
            except ValueError:
                continue
    elif origin is Literal:
        if value in args and type(value) in {type(one) for one in args}:
            return value
        if isinstance(value, str):
            raise ValueError(f"{name} = {value!r} is not a choice{near(value, map(str, args))}")
    elif origin is tuple:
        if isinstance(value, list | tuple):
            return tuple(_convert(name, one, args[0]) for one in value)
    elif hint is float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not math.isfinite(value):
                raise ValueError(f"{name} = {value} must be finite")
            return float(value)
    elif type(value) is hint:
        return value
    raise ValueError(f"{name} = {value!r} has the wrong type; expected {type_name(hint)}")
