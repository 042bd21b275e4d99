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

__all__ = ["Parts", "SplitSpec", "interactions", "parse_split", "split_log"]

_VERSION = "matchbench split 1"  # raised whenever the same protocol would give other parts


@dataclass(frozen=True, slots=True)
class Parts:
    """What a protocol makes of a log.

    Attributes
    ----------
    train : the log without validation and test.
    validation : queries with histories from ``train`` only.
    full_train : training and validation together.
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
    spec = spec.resolved(repeats_count=log.event_fields is not None)
    protocol = f"{dataset_id}/{spec.protocol()}"
    digest = hashlib.sha256(f"{_VERSION}|{content_hash(log)}|{protocol}".encode()).hexdigest()
    kept = filter_log(log, spec)
    assigned = roles(kept, spec)
    train = interactions(kept, assigned == TRAIN)
    known = (TRAIN, VALIDATION, VALIDATION_FOLD_IN)
    full_train = interactions(kept, np.isin(assigned, known))
    validation, validation_dropped = held_out(
        kept, spec, train, _share(assigned, "validation", (TRAIN, VALIDATION_FOLD_IN), VALIDATION)
    )
    test, test_dropped = held_out(
        kept, spec, full_train, _share(assigned, "test", (*known, TEST_FOLD_IN), TEST)
    )
    for name, size in (
        ("training", train.n_events),
        ("validation", len(validation)),
        ("test", len(test)),
    ):
        if size == 0:
            raise DatasetError(f"{protocol}: the {name} part is empty")
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
