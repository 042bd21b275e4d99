"""Sending: calls handed to a method one after another, and what becomes of their answers."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.interactions import Queries
from harness.lists import IntArray
from harness.measure.clock import Clock
from harness.topk import TopK, concatenate

Search = Callable[[Any, int], Any]
Check = Callable[[IntArray, TopK], None]
Answer = Any  # what a search returned, or the exception that it raised


def as_it_is(value: Any) -> Any:
    """Return the value: queries and answers on the host need no step before or after a search."""
    return value


@dataclass(frozen=True, slots=True)
class Target:
    """What is timed, and how.

    Attributes
    ----------
    search : called with what ``prepare`` made of some queries, and k; timed.
    queries, k, clock : the different queries that are sent, the lists' length, the time.
    prepare, finish : what is done to queries before a call, to its answer after: not timed.
    """

    search: Search
    queries: Queries
    k: int
    clock: Clock
    prepare: Callable[[Queries], Any] = as_it_is
    finish: Callable[[Any], Any] = as_it_is

    def inbox(self, check: Check | None = None) -> "Inbox":
        """Return what takes the answers."""
        return Inbox(self.k, check, self.finish)


@contextmanager
def no_collection() -> Iterator[None]:
    """Garbage collection off inside, as before outside: it would be billed to the method."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def send(
    search: Search, calls: Sequence[Any], k: int, now_ns: Callable[[], int]
) -> tuple[list[int], list[Answer]]:
    """Send the calls one after another; return the readings and the answers or errors.

    There is a reading before the first call and one after each, so call c took
    ``readings[c + 1] - readings[c]`` nanoseconds.
    """
    answers: list[Answer] = []
    readings = [now_ns()]
    for call in calls:
        try:
            answers.append(search(call, k))
        except MemoryError:
            raise
        except Exception as error:  # counted: the row is INVALID, the rest goes on
            answers.append(error)
        readings.append(now_ns())
    return readings, answers


def send_all(search: Search, calls: Sequence[Any], k: int) -> list[Answer]:
    """Send the calls without a reading in between, so that a device is not awaited for each."""
    answers: list[Answer] = []
    for call in calls:
        try:
            answers.append(search(call, k))
        except MemoryError:
            raise
        except Exception as error:  # counted: the row is INVALID, the rest goes on
            answers.append(error)
    return answers


class Inbox:
    """Takes answers outside the timed regions: counts errors, hands the rest on to be checked.

    Attributes
    ----------
    n_errors : queries whose call raised, or whose answer has another shape than was asked for.
    first_error : the first of them in words, or None.
    """

    def __init__(
        self, k: int, check: Check | None = None, finish: Callable[[Any], Any] = as_it_is
    ) -> None:
        """Take the length of the lists, what checks answers (rows, TopK), what makes them TopK."""
        self._k = k
        self._check = check
        self._finish = finish
        self.n_errors = 0
        self.first_error: str | None = None

    def take(self, rows: Sequence[IntArray], answers: Sequence[Answer]) -> None:
        """Take the answers to calls; ``rows`` are the queries of each call, in order."""
        good_rows: list[IntArray] = []
        good: list[TopK] = []
        for asked, returned in zip(rows, answers, strict=True):
            answer = self._finished(returned)
            fault = self._fault_of(answer, len(asked))
            if fault is None and isinstance(answer, TopK):
                good_rows.append(asked)
                good.append(answer)
            else:
                self.n_errors += len(asked)
                self.first_error = self.first_error or fault
        if good and self._check is not None:
            self._check(np.concatenate(good_rows), concatenate(good))

    def _finished(self, returned: Answer) -> Answer:
        if isinstance(returned, Exception):
            return returned
        try:
            return self._finish(returned)
        except MemoryError:
            raise
        except Exception as error:  # counted like one that the search raised
            return error

    def _fault_of(self, answer: Answer, n: int) -> str | None:
        if isinstance(answer, Exception):
            return f"{type(answer).__name__}: {answer}"[:200]
        if not isinstance(answer, TopK):
            return f"search returned {type(answer).__name__}, expected TopK"
        if answer.ids.shape != (n, self._k):
            return f"search returned lists {answer.ids.shape}, expected {(n, self._k)}"
        return None
