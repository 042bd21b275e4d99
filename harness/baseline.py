"""Baseline: the committed facts of a suite, which code that has not changed must give again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.facts import Taken

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What a point comes to with other seeds: what another machine may change of a learned method.

    Attributes
    ----------
    n_seeds : the baseline's own included.
    deviations : metric -> standard deviation of its mean over the seeds.
    steady : names of `Facts.counted` that are the same for every seed: they follow from shapes.
    """

    n_seeds: int
    deviations: Mapping[str, float]
    steady: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One update: when, on which commit, why, and which points became other."""

    at: str
    commit: str
    reason: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """Facts of a suite, as one machine gave them.

    Attributes
    ----------
    arithmetic : `harness.measure.cpu_features.arithmetic` of that machine.
    history : every update, the first one first.
    points : by `Facts.name`, in the order of the suite.
    spreads : of points that are not exact.
    """

    suite: str
    arithmetic: Mapping[str, str]
    history: tuple[Change, ...]
    points: Mapping[str, Taken]
    spreads: Mapping[str, Spread]


def by_name(taken: Sequence[Taken]) -> dict[str, Taken]:
    """Return facts by the names of their points."""
    return {one.facts.name: one for one in taken}


def digest_of(table: Mapping[str, Any], points: Mapping[str, Taken]) -> str:
    """Return a SHA-256 of all that a baseline says, so that an edit by hand shows."""
    text = json.dumps(table, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode())
    for name, one in points.items():
        arrays = {"user_ids": one.user_ids.astype("<i8"), **one.values}
        for metric in sorted(arrays):
            digest.update(f"{name}/{metric}".encode())
            digest.update(np.ascontiguousarray(arrays[metric]).tobytes())
    return digest.hexdigest()
