"""TOML text: plain values -> what `tomllib` reads back, as there is no writer in the library."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def key(name: str) -> str:
    """Return a key, quoted where TOML asks for it.

    >>> print(key("dim"), key("two_tower, wide"))
    dim "two_tower, wide"
    """
    return name if BARE_KEY.fullmatch(name) else value(name)


def value(given: Any) -> str:
    """Return a value in one line; tables are inline, None is the word that suites have for it.

    >>> print(value({"dim": [32, 64], "log": True, "low": 1e-05, "cap": None}))
    { dim = [32, 64], log = true, low = 1e-05, cap = "none" }

    Raises
    ------
    ValueError
        A value that TOML has no form for.
    """
    match given:
        case None:
            return '"none"'
        case bool():
            return "true" if given else "false"
        case int():
            return str(given)
        case float() if math.isfinite(given):
            return repr(given)
        case str():  # JSON's escapes are TOML's, but for this one character
            return json.dumps(given, ensure_ascii=False).replace("\x7f", "\\u007F")
        case list() | tuple():
            return f"[{', '.join(map(value, given))}]"
        case Mapping():
            inside = ", ".join(f"{key(name)} = {value(one)}" for name, one in given.items())
            return f"{{ {inside} }}" if inside else "{}"
    raise ValueError(f"{given!r} has no form in TOML")


def lines(table: Mapping[str, Any]) -> str:
    """Return ``key = value`` lines."""
    return "".join(f"{key(name)} = {value(one)}\n" for name, one in table.items())
