"""SLIM: sparse item-item weights by an elastic net for each item."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numba
import numpy as np

from harness.interactions import HeldOut, Interactions
from harness.lists import Lists
from harness.spaces import Range, Space
from methods.classical.elastic_net import solve_items
from methods.classical.item_weights import SparseWeights
from methods.classical.linear import LinearRetriever
from methods.classical.met import distinct, most_neighbours, plain
from methods.classical.room import require_bytes

ITEMS_AT_ONCE = 4096  # between two words of progress
WEIGHT_BYTES = 52  # of a weight while it is laid out, beside its place; 8 once served
USER_BYTES, ITEM_BYTES = 12, 40  # of a thread's scratch
CHUNKS_PER_THREAD = 8  # so that no thread is left alone with the longest


@dataclass(frozen=True, slots=True)
class SLIMParams:
    """Regularisation and precision.

    Attributes
    ----------
    l1 : of the sum of absolute weights (lambda), 0 or more.
    l2 : of half the sum of squared weights (beta), above 0.
    non_negative : no weight below 0, as in the paper.
    top_n : weights kept for each scored item, the largest by absolute value.
    tolerance : a column is solved where no weight moves by more in a sweep.
    max_sweeps : over the weights of a column, at most.
    """

    l1: float = 1.0
    l2: float = 100.0
    non_negative: bool = True
    top_n: int = 100
    tolerance: float = 1e-4
    max_sweeps: int = 100

    def __post_init__(self) -> None:
        if not (self.l1 >= 0 and self.l2 > 0):
            raise ValueError(
                f"l1 = {self.l1} and l2 = {self.l2}; expected l1 at least 0 and l2 above 0"
            )
        if not self.tolerance > 0:
            raise ValueError(f"tolerance = {self.tolerance}; expected more than 0")
        for name in ("top_n", "max_sweeps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}; expected at least 1")


class SLIM(LinearRetriever):
    """Predict whether a user meets an item from few of the other items they met.

    Column j of the weights minimises (1/2) ||a_j - A w||^2 + (l2/2) ||w||^2 + l1 ||w||_1 with
    w_j = 0 and, if ``non_negative``, w >= 0 (paper, eq. 3 and 4), A being the binary user-item
    matrix. scikit-learn's ElasticNet divides the first term by the number of users: its ``alpha``
    and ``l1_ratio`` are l1 = n_users alpha l1_ratio, l2 = n_users alpha (1 - l1_ratio).

    Columns are solved by coordinate descent on the residual, apart from each other and in
    parallel: first over all items that may get a weight, then over those that have one, until
    neither moves. Of non-negative weights only items that share more than l1 users with j can be
    above 0, so no other is looked at, and nothing is lost. Weights beyond ``top_n`` are dropped
    once solved, which is not in the paper; the footprint states ``dropped_weight``, their share of
    the sum of absolute weights, and the ``unsolved`` share of columns that ran out of sweeps.

    Cost: for each item and sweep the events of the items that share a user with it; memory of
    12 n_users + 40 n_items bytes a thread beside the result, 8 n_items top_n, and 52 a weight to
    lay it out; what does not fit is refused before it begins. A search reads one list of weights
    per item of the history. With weights of either sign every item has a score, 0 where no list
    names it; without negative ones such an item has none.

    References
    ----------
    Ning and Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender Systems", ICDM 2011,
    section 4. Friedman, Hastie and Tibshirani, J. Stat. Software 33(1), 2010, for the descent.
    """

    BuildParams: ClassVar[type[SLIMParams]] = SLIMParams
    kind = "slim"
    TuneSpace: ClassVar[Space] = {
        "l1": Range(1e-4, 20.0, log=True),
        "l2": Range(1.0, 1e4, log=True),
    }
    build_params: SLIMParams

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Solve every column."""
        params, n_items = self.build_params, train.n_items
        users = distinct(train.events, n_items)
        self._require_room(users, n_items)
        items = Lists.from_pairs(users.ids, users.rows, n_items)
        log = (*plain(users), *plain(items))
        shape = (n_items, min(params.top_n, n_items))
        self._seen, self._weights = np.full(shape, -1, np.int32), np.zeros(shape, np.float32)
        sums, sweeps = np.zeros((n_items, 2)), np.zeros(n_items, np.int64)
        n_chunks = CHUNKS_PER_THREAD * numba.get_num_threads()
        for start in range(0, n_items, ITEMS_AT_ONCE):
            end = min(start + ITEMS_AT_ONCE, n_items)
            solve_items(
                *log,
                start,
                end,
                n_chunks,
                params.l1,
                params.l2,
                params.non_negative,
                params.tolerance,
                params.max_sweeps,
                self._seen,
                self._weights,
                sums,
                sweeps,
            )
            self.progress("columns", end, n_items)
        whole, kept = sums.sum(axis=0)
        self._dropped = float(1 - kept / whole) if whole else 0.0
        self._unsolved = float((sweeps > params.max_sweeps).mean())

    def _require_room(self, users: Lists, n_items: int) -> None:
        places = n_items * min(self.build_params.top_n, n_items)
        weights = places
        if self.build_params.non_negative:
            weights = most_neighbours(users, n_items, self.build_params.top_n)
        scratch = USER_BYTES * len(users) + ITEM_BYTES * n_items
        require_bytes(
            8 * places + WEIGHT_BYTES * weights + numba.get_num_threads() * scratch,
            f"slim with up to {self.build_params.top_n:,} weights of {n_items:,} items",
            "try a smaller top_n",
        )

    def build(self) -> None:
        """Lay the weights out as one list per item seen."""
        scored, places = np.nonzero(self._seen >= 0)
        self._serving = SparseWeights.of(
            self._seen[scored, places].astype(np.int64),
            scored,
            self._weights[scored, places],
            len(self._seen),
            scores_all=not self.build_params.non_negative,
        )
        self.mark("index_build")

    def _facts(self) -> Mapping[str, float]:
        return {"dropped_weight": self._dropped, "unsolved": self._unsolved}

    def _take_facts(self, facts: Mapping[str, float]) -> None:
        self._dropped, self._unsolved = facts["dropped_weight"], facts["unsolved"]
