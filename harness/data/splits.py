"""Splits: a log and a protocol -> training, validation and test, and the hash that names them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.data.filters import filter_log
from harness.data.held_out import BoolArray, Share, held_out
from harness.data.log import TEST, TRAIN, VALIDATION, Log, Truth, content_hash
from harness.data.roles import TEST_FOLD_IN, VALIDATION_FOLD_IN, Roles, roles
from harness.data.split_spec import SplitSpec, parse_split
from harness.errors import DatasetError
from harness.interactions import HeldOut, Interactions
from harness.lists import Lists

__all__ = [
    "ClosedParts",
    "Parts",
    "SplitSpec",
    "interactions",
    "parse_split",
    "split_closed",
    "split_log",
]

_KNOWN = (TRAIN, VALIDATION, VALIDATION_FOLD_IN)
_VERSION = "matchbench split 1"  # raised whenever the same protocol would give other parts


@dataclass(frozen=True, slots=True)
class Parts:
    """What a protocol makes of a log.

    Attributes
    ----------
    train : the log without validation and test.
    validation : queries with histories from ``train`` only.
    full_train : training and validation together. Where the split selects on test, ``train`` is
        this too, and ``validation`` is ``test``.
    test : queries with histories from ``full_train`` (or the fold-in of held-out users).
    dataset_id : name and parameters of the data set.
    protocol : the data set and every choice of filter and split, in one line.
    data_hash : SHA-256 of the log's content and the protocol.
    truth : the true relevance over the item ids of the parts, of synthetic logs only.
    dropped : counts of cold items and users left out of validation and test.
    """

    train: Interactions
    validation: HeldOut
    full_train: Interactions
    test: HeldOut
    dataset_id: str
    protocol: str
    data_hash: str
    truth: Truth | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClosedParts:
    """What a protocol makes of a log while its test part stays closed: `Parts` without it.

    Attributes
    ----------
    train, validation, dataset_id, protocol, data_hash, dropped : as in `Parts`.
    """

    train: Interactions
    validation: HeldOut
    dataset_id: str
    protocol: str
    data_hash: str
    dropped: Mapping[str, int] = field(default_factory=dict)


def split_log(log: Log, spec: SplitSpec, dataset_id: str) -> Parts:
    """Filter and split a log.

    Parameters
    ----------
    log : events in canonical order.
    spec : the protocol; what it leaves open is resolved by whether repeats count in the log.
    dataset_id : name and parameters of the data set, the start of the protocol's line.

    Raises
    ------
    DatasetError
        The log lacks what the protocol needs, a part comes out empty, or a test item or user is
        cold and the policy says "error".

    Notes
    -----
    Cold items and users of the validation part are dropped under "error", too: their events come
    back with ``full_train``, and a model cannot be chosen by what it could not learn.
    """
    spec, protocol, digest = _named(log, spec, dataset_id)
    kept = filter_log(log, spec)
    assigned = roles(kept, spec)
    train, validation, validation_dropped = _learning(kept, spec, assigned)
    full_train = interactions(kept, np.isin(assigned, _KNOWN))
    test, test_dropped = held_out(
        kept, spec, full_train, _share(assigned, "test", (*_KNOWN, TEST_FOLD_IN), TEST)
    )
    _refuse_empty(protocol, training=train.n_events, validation=len(validation), test=len(test))
    if spec.select_on == "test":
        train, validation, validation_dropped = full_train, test, {}
    return Parts(
        train,
        validation,
        full_train,
        test,
        dataset_id,
        protocol,
        digest,
        kept.truth,
        {**validation_dropped, **test_dropped},
    )


def split_closed(log: Log, spec: SplitSpec, dataset_id: str) -> ClosedParts:
    """Filter and split a log as `split_log` does, and leave the test part closed.

    The test part's events, and the histories of its held-out users, are taken out of the log once
    the roles are drawn, before any part is made.

    Raises
    ------
    DatasetError
        The log lacks what the protocol needs, or a part comes out empty; or the protocol selects on
        the test part, which is then not closed.
    """
    spec, protocol, digest = _named(log, spec, dataset_id)
    if spec.select_on == "test":
        raise DatasetError(f'{protocol}: select_on = "test" opens the test part')
    kept = filter_log(log, spec)
    assigned = roles(kept, spec)
    rows = np.flatnonzero(np.isin(assigned, _KNOWN))
    train, validation, dropped = _learning(kept.take_events(rows), spec, assigned[rows])
    _refuse_empty(protocol, training=train.n_events, validation=len(validation))
    return ClosedParts(train, validation, dataset_id, protocol, digest, dropped)


def _named(log: Log, spec: SplitSpec, dataset_id: str) -> tuple[SplitSpec, str, str]:
    """Return the protocol with nothing left open, its line, and the hash of log and line."""
    spec = spec.resolved(repeats_count=log.event_fields is not None)
    protocol = f"{dataset_id}/{spec.protocol()}"
    return spec, protocol, hash_of_data(log, protocol)


def hash_of_data(log: Log, protocol: str) -> str:
    """Return the hash that names a log under a protocol's line, as it is or as a record has it."""
    return hashlib.sha256(f"{_VERSION}|{content_hash(log)}|{protocol}".encode()).hexdigest()


def _learning(
    log: Log, spec: SplitSpec, assigned: Roles
) -> tuple[Interactions, HeldOut, dict[str, int]]:
    """Return training, validation, and how many cold ones validation leaves out."""
    train = interactions(log, assigned == TRAIN)
    share = _share(assigned, "validation", (TRAIN, VALIDATION_FOLD_IN), VALIDATION)
    return train, *held_out(log, spec, train, share)


def _refuse_empty(protocol: str, **sizes: int) -> None:
    for name, size in sizes.items():
        if size == 0:
            raise DatasetError(f"{protocol}: the {name} part is empty")


def interactions(log: Log, chosen: BoolArray) -> Interactions:
    """Return the events where ``chosen`` (bool, n_events) holds, as a training log."""
    part = log.take_events(np.flatnonzero(chosen))
    return Interactions(
        events=Lists.from_pairs(part.user_ids, part.item_ids, log.n_users),
        n_items=log.n_items,
        timestamps=part.timestamps,
        ordered=log.ordered,
        user_fields=log.user_fields,
        item_fields=log.item_fields,
        event_fields=part.event_fields,
    )


def _share(assigned: Roles, name: str, history: tuple[int, ...], answers: int) -> Share:
    return Share(name, np.isin(assigned, history), assigned == answers)
