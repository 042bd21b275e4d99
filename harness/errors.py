"""The faults a user can mend: each message says where, what was given, expected, and near."""

import difflib
from collections.abc import Iterable


class HarnessError(Exception):
    """Base of every fault that is reported as one message, without a traceback."""


class SuiteError(HarnessError):
    """A suite file, or a name or value in it, is wrong."""


class MethodError(HarnessError):
    """A method is unknown, broken, or was asked for something it does not declare."""


class DatasetError(HarnessError):
    """Data are missing, damaged, or do not fit the protocol asked for."""


class RecordError(HarnessError):
    """A results folder or a record in it cannot be read or written."""


class ExchangeError(HarnessError):
    """A file of another program cannot be read, or records cannot be written as one."""


def near(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'hnsw'?"``, or the list of known names when none is close.

    >>> near("hnws", ["hnsw", "flat"])
    "; did you mean 'hnsw'?"
    >>> near("zzz", ["hnsw", "flat"])
    '; known: flat, hnsw'
    """
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return "; did you mean " + " or ".join(repr(match) for match in close) + "?"
    return "; known: " + ", ".join(names) if names else ""
