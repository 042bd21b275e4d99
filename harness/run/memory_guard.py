"""The memory guard: whether the processes of a trial hold more together than they may."""

import time
from collections.abc import Callable
from typing import Protocol

LOOK_EVERY_S = 0.05
# Counting shared pages exactly walks page tables; a tree that passed is not walked again at once.
EXACT_EVERY_S = 1.0


class Tree(Protocol):
    """What the guard asks; `harness.measure.process_tree.ProcessTree` answers."""

    def held_bytes(self) -> int:
        """Return an upper estimate of what all hold, cheaply."""

    def exact_bytes(self) -> int | None:
        """Return what all hold, shared pages once; None where the kernel hides it."""


class MemoryGuard:
    """Compares what a process tree holds with its limit, at most every LOOK_EVERY_S.

    The cheap estimate counts pages shared by fork once per process, so only the exact count
    condemns, and only twice in a row: between fork and exec a child shares all of its parent's
    memory for a moment, in no way the counts could tell.

    Attributes
    ----------
    held_bytes : most that was seen, exact where it was counted; None before the first look.
    """

    def __init__(
        self, tree: Tree, limit_bytes: int | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Watch ``tree``; without a limit nothing is ever looked at."""
        self._tree = tree
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._next_look = self._next_exact = clock()
        self._n_over = 0
        self.held_bytes: int | None = None

    def is_exceeded(self) -> bool:
        """Return whether two looks in a row found more than the limit."""
        now = self._clock()
        if self._limit_bytes is None or now < self._next_look:
            return False
        self._next_look = now + LOOK_EVERY_S
        held = self._tree.held_bytes()
        if held <= self._limit_bytes:
            self._n_over = 0
        elif now < self._next_exact:
            return False
        else:
            exact = self._tree.exact_bytes()
            held = held if exact is None else min(held, exact)
            is_over = held > self._limit_bytes
            self._n_over = self._n_over + 1 if is_over else 0
            self._next_exact = now if is_over else now + EXACT_EVERY_S
        self.held_bytes = max(held, self.held_bytes or 0)
        return self._n_over > 1
