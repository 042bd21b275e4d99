"""QueryValues: what each test query scored, as a file of per-query values holds it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from harness.record import Record


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


ReadValues = Callable[[Record], QueryValues]
