"""Roles: which part of a split each event of a log plays, one function per kind of split."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.data.log import TEST, TRAIN, VALIDATION, Log
from harness.data.split_spec import (
    Given,
    GlobalTime,
    HeldOutUsers,
    LeaveLastOut,
    PerUserTemporal,
    RandomPerUser,
    SplitSpec,
)
from harness.errors import DatasetError
from harness.lists import IntArray, Lists
from harness.seeding import generator

VALIDATION_FOLD_IN, TEST_FOLD_IN = 3, 4  # histories of held-out users, unseen in training

Roles = npt.NDArray[np.int8]


def roles(log: Log, spec: SplitSpec) -> Roles:
    """Return int8 (n_events,): `TRAIN`, `VALIDATION`, `TEST` or a fold-in role.

    Raises
    ------
    DatasetError
        The kind needs an order, times or a given split that the log does not have.
    """
    return _ASSIGN[spec.kind](log, spec)


def _given(log: Log, spec: Given) -> Roles:
    if log.part is None:
        raise DatasetError(
            "split kind 'given': the files of this data set give no split; choose another kind"
        )
    assigned = log.part.copy()
    if not (assigned == VALIDATION).any():
        train = np.flatnonzero(assigned == TRAIN)
        if spec.validation_by == "last":
            _needs_order(log, "validation_by = 'last'")
            later = _later_first(log, train)
        else:
            later = _by_lot(log, train, spec.seed, "validation")
        assigned[_held_per_user(log, later, spec.validation)] = VALIDATION
    return assigned


def _leave_last_out(log: Log, spec: LeaveLastOut) -> Roles:
    _needs_order(log, f"split kind {spec.kind!r}")
    later = _later_first(log, np.arange(log.n_events, dtype=np.int64))
    rank = _rank_within_user(log, later)
    enough = np.bincount(log.user_ids, minlength=log.n_users)[log.user_ids[later]] >= 3
    assigned = np.full(log.n_events, TRAIN, np.int8)
    assigned[later[enough & (rank == 0)]] = TEST
    assigned[later[enough & (rank == 1)]] = VALIDATION
    return assigned


def _per_user_temporal(log: Log, spec: PerUserTemporal) -> Roles:
    _needs_order(log, f"split kind {spec.kind!r}")
    return _two_shares(
        log, _later_first(log, np.arange(log.n_events, dtype=np.int64)), spec.test, spec.validation
    )


def _random_per_user(log: Log, spec: RandomPerUser) -> Roles:
    rows = np.arange(log.n_events, dtype=np.int64)
    return _two_shares(log, _by_lot(log, rows, spec.seed, "split"), spec.test, spec.validation)


def _global_time(log: Log, spec: GlobalTime) -> Roles:
    if log.timestamps is None:
        raise DatasetError(f"split kind {spec.kind!r} needs timestamps; this data set has none")
    assigned = np.full(log.n_events, TRAIN, np.int8)
    for role, share in ((TEST, spec.test), (VALIDATION, spec.validation)):
        times = log.timestamps[assigned == TRAIN]
        place = int(np.floor(times.size * (1 - share)))
        moment = np.partition(times, place)[place]
        assigned[(assigned == TRAIN) & (log.timestamps >= moment)] = role
        if not (assigned == TRAIN).any():
            raise DatasetError(f"split kind {spec.kind!r}: too few distinct times to split by")
    return assigned


def _held_out_users(log: Log, spec: HeldOutUsers) -> Roles:
    rng = generator(spec.seed, "split")
    counts = np.bincount(log.user_ids, minlength=log.n_users)
    users = rng.permutation(np.flatnonzero(counts >= 2))
    n_test, n_validation = (max(1, round(s * users.size)) for s in (spec.test, spec.validation))
    if n_test + n_validation >= users.size:
        raise DatasetError(f"split kind {spec.kind!r}: {users.size} users are too few to hold out")
    group = np.full(log.n_users, TRAIN, np.int8)
    group[users[:n_test]] = TEST
    group[users[n_test : n_test + n_validation]] = VALIDATION
    assigned = group[log.user_ids]
    rows = np.flatnonzero(assigned != TRAIN)
    later = _later_first(log, rows) if log.ordered else _by_lot(log, rows, spec.seed, "fold-in")
    answers = _held_per_user(log, later, 1 - spec.fold_in, at_least=1)
    history = np.setdiff1d(rows, answers)
    assigned[history] += VALIDATION_FOLD_IN - VALIDATION
    return assigned


def _needs_order(log: Log, what: str) -> None:
    if not log.ordered:
        raise DatasetError(
            f"{what} needs events in time order; this data set has none, so choose "
            "random_per_user, held_out_users or given"
        )


def _two_shares(log: Log, later: IntArray, test: float, validation: float) -> Roles:
    """Assign shares of each user's events, taken from the front of ``later``."""
    assigned = np.full(log.n_events, TRAIN, np.int8)
    assigned[_held_per_user(log, later, test)] = TEST
    assigned[_held_per_user(log, later[assigned[later] == TRAIN], validation)] = VALIDATION
    return assigned


def _later_first(log: Log, rows: IntArray) -> IntArray:
    """Return ``rows`` grouped by user, each user's latest first."""
    return rows[np.lexsort((-rows, log.user_ids[rows]))]


def _by_lot(log: Log, rows: IntArray, seed: int, purpose: str) -> IntArray:
    """Return ``rows`` grouped by user, within a user in an order drawn by lot."""
    lots = generator(seed, purpose).random(rows.size)
    return rows[np.lexsort((lots, log.user_ids[rows]))]


def _rank_within_user(log: Log, rows: IntArray) -> IntArray:
    """Return the place of each row among those of its user, for rows grouped by user."""
    starts = Lists.from_pairs(log.user_ids[rows], rows, log.n_users).indptr
    return np.asarray(np.arange(rows.size) - starts[log.user_ids[rows]])


def _held_per_user(log: Log, rows: IntArray, share: float, *, at_least: int = 0) -> IntArray:
    """Return the first ``share`` of each user's ``rows``, half rounded up, never all of them."""
    counts = np.bincount(log.user_ids[rows], minlength=log.n_users)
    held = np.floor(counts * share + 0.5).astype(np.int64)
    held = np.minimum(np.maximum(held, at_least), np.maximum(counts - 1, 0))
    return np.asarray(rows[_rank_within_user(log, rows) < held[log.user_ids[rows]]])


_ASSIGN: Mapping[str, Callable[[Log, Any], Roles]] = {
    Given.kind: _given,
    LeaveLastOut.kind: _leave_last_out,
    PerUserTemporal.kind: _per_user_temporal,
    RandomPerUser.kind: _random_per_user,
    GlobalTime.kind: _global_time,
    HeldOutUsers.kind: _held_out_users,
}
