"""QueryValues and QueryLists: what each test query scored and got, as the per-query files hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from harness.record import Record
from harness.topk import TopK


@dataclass(frozen=True, slots=True)
class QueryValues:
    """Values of one operating point.

    Attributes
    ----------
    user_ids : int64 (n,), of each query, in the order of the split.
    metrics : name -> float64 (n,); NaN for a query that was not scored, as `ann_recall` is taken
        of a sample.
    facts : name -> (n,), what is known of the queries themselves, such as ``history_items``; empty
        for files that do not say.
    """

    user_ids: npt.NDArray[np.int64]
    metrics: Mapping[str, npt.NDArray[np.float64]]
    facts: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueryLists:
    """Answers of one operating point, and the raw times of its loads.

    Attributes
    ----------
    user_ids : int64 (n,), of each query, in the order of the split; -1 for one unknown in training.
    answers : the list of each query.
    times : arrays of seconds and rows by name, ``latency_s/0`` for one; see ``results/README.md``.
    """

    user_ids: npt.NDArray[np.int64]
    answers: TopK
    times: Mapping[str, npt.NDArray[np.float64] | npt.NDArray[np.int64]]


# None where the values were not kept, as in a folder that holds records alone.
ReadValues = Callable[[Record], QueryValues | None]
