"""Numbers in text: bytes -> arrays without a Python loop per number, strict about everything."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.data.files import DataFile
from harness.lists import IntArray

_MAX_DIGITS = 18  # what int64 always holds
_DIGIT, _SEPARATOR, _NEWLINE = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Numbers:
    """All numbers of a file in order.

    Attributes
    ----------
    values : int64 (n,)
    lines : int64 (n,), the line of each, from 0.
    n_lines : lines of the file, also of those without numbers.
    """

    values: IntArray
    lines: IntArray
    n_lines: int


def read_table(
    file: DataFile, n_columns: int, separators: bytes, *, expected: str = ""
) -> IntArray:
    """Return a file of ``n_columns`` non-negative integers a line, int64 (n_lines, n_columns).

    Any run of ``separators`` stands between two numbers; ``expected`` shows a line, for messages.

    Raises
    ------
    DatasetError
        A token that is no such number, or a line with more or fewer of them.
    """
    numbers = read_numbers(file, separators)
    counts = np.bincount(numbers.lines, minlength=numbers.n_lines)
    wrong = np.flatnonzero(counts != n_columns)
    if wrong.size:
        line = int(wrong[0])
        shown = f"{n_columns} numbers" + (f": {expected}" if expected else "")
        raise file.fault(line + 1, f"{counts[line]} numbers", shown)
    return numbers.values.reshape(-1, n_columns)


def read_numbers(file: DataFile, separators: bytes) -> Numbers:
    """Return all numbers of a file with their lines.

    Raises
    ------
    DatasetError
        A byte that is neither digit nor separator, or a number of more than 18 digits.
    """
    content = np.frombuffer(file.content, np.uint8)
    kinds = _kinds(separators)[content]
    bad = np.flatnonzero(kinds == 0)
    if bad.size:
        raise _not_a_number(file, int(bad[0]), separators)
    is_digit = kinds == _DIGIT
    edges = np.diff(np.concatenate(([0], is_digit.view(np.int8), [0])))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if starts.size and (ends - starts).max() > _MAX_DIGITS:
        place = int(starts[np.argmax(ends - starts)])
        raise _not_a_number(file, place, separators)
    newlines = np.flatnonzero(kinds == _NEWLINE)
    ends_open = content.size > 0 and kinds[-1] != _NEWLINE
    return Numbers(
        _values(content, starts, ends),
        np.searchsorted(newlines, starts),
        newlines.size + int(ends_open),
    )


def _values(content: npt.NDArray[np.uint8], starts: IntArray, ends: IntArray) -> IntArray:
    """Return the numbers between ``starts`` and ``ends``, one digit of all of them at a time."""
    values = np.zeros(starts.size, np.int64)
    left = np.arange(starts.size)
    place = 0
    while left.size:
        values[left] = values[left] * 10 + (content[starts[left] + place] - ord("0"))
        place += 1
        left = left[ends[left] - starts[left] > place]
    return values


def _kinds(separators: bytes) -> npt.NDArray[np.uint8]:
    kinds = np.zeros(256, np.uint8)
    kinds[np.frombuffer(b"0123456789", np.uint8)] = _DIGIT
    kinds[np.frombuffer(separators + b"\r", np.uint8)] = _SEPARATOR
    kinds[ord("\n")] = _NEWLINE
    return kinds


def _not_a_number(file: DataFile, place: int, separators: bytes) -> Exception:
    line_start = file.content.rfind(b"\n", 0, place) + 1
    line = file.content[line_start:].split(b"\n", 1)[0]
    before = line[: place - line_start]
    start = max((before.rfind(bytes([one])) + 1 for one in separators), default=0)
    after = line[place - line_start :]
    end = min((after.find(bytes([one])) % (len(after) + 1) for one in separators), default=0)
    shown = (line[start : place - line_start] + after[:end])[:40].decode("utf-8", "replace")
    number = file.content.count(b"\n", 0, place) + 1
    return file.fault(number, repr(shown), f"an integer of at most {_MAX_DIGITS} digits")
