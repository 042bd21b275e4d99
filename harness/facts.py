"""Facts: what one operating point is known by from one version of the code to the next.

The hash of its lists, its work and its bytes, which either are the same or are not, and what its
queries scored. A baseline holds them (`harness.store.baseline`), `matchbench gate` compares them.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from harness.lists import IntArray

Values = Mapping[str, npt.NDArray[np.float64]]  # metric -> (n,), NaN for a query without a value


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Of one operating point, without its per-query values.

    Attributes
    ----------
    case, method, build, search, device, seed : what was run, named as in a record.
    data_hash, metrics_version : of what, and by which definitions it was scored.
    exact : the suite says that its lists are the same on every machine.
    fault : why there are no answers, or why they are not valid; None where all is well.
    n_queries : test queries.
    lists : `hash_of_lists`; empty where there are no answers.
    index_bytes : by the method's account.
    counters : work of one pass over all test queries.
    metrics : means over the queries.
    """

    case: str
    method: str
    build: Mapping[str, Any]
    search: Mapping[str, Any]
    device: str
    seed: int
    data_hash: str
    metrics_version: int
    exact: bool
    fault: str | None = None
    n_queries: int = 0
    lists: str = ""
    index_bytes: int | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return what tells the point apart from others of its suite: case, search, device."""
        said = {name: value for name, value in self.search.items() if value is not None}
        words = [self.case, *(f"{name}={value}" for name, value in said.items())]
        return " ".join([*words, *([] if self.device == "cpu" else [self.device])])

    def counted(self) -> dict[str, int | None]:
        """Return index bytes and counters by name."""
        return {"index_bytes": self.index_bytes, **self.counters}

    def to_dict(self) -> dict[str, Any]:
        """Return all values by name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Take what `to_dict` gave.

        Raises
        ------
        TypeError
            A value is missing or has no place.
        """
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Taken:
    """Facts with the per-query values they come with, and the users of the queries."""

    facts: Facts
    user_ids: IntArray
    values: Values


def hash_of_lists(user_ids: IntArray, ids: IntArray) -> str:
    """Return a SHA-256 of query -> ids, the same on machines of either byte order."""
    digest = hashlib.sha256(json.dumps(list(ids.shape)).encode())
    for array in (user_ids, ids):
        digest.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    return digest.hexdigest()
