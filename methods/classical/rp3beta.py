"""RP3beta: three steps of a random walk from the user, popular items held back."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from harness.interactions import HeldOut, Interactions
from harness.lists import FloatArray, Lists
from harness.spaces import Range, Space
from methods.classical.item_weights import SparseWeights
from methods.classical.linear import LinearRetriever
from methods.classical.met import distinct, most_neighbours
from methods.classical.neighbours import find_neighbours
from methods.classical.room import require_bytes
from methods.classical.shares import shares

WEIGHT_BYTES = 46  # of a weight while it is found and laid out; 8 once served
CUT_BYTES = 88  # where columns are cut too


@dataclass(frozen=True, slots=True)
class RP3betaParams:
    """Exponents, and what is kept.

    The default exponents have .78 to .96 of the recall@20 of the best of 25 pairs on the validation
    parts of five logs (docs/known_answers.md), the usual 1 and 0.6 have .45 to 1.

    Attributes
    ----------
    alpha : every transition probability is raised to it; 0 or more.
    beta : an item's score is divided by its number of users raised to it; 0 or more.
    n_neighbours : weights kept for each item.
    neighbours_of : ``seen``: the best scored items of each item a user may have met; ``scored``:
        the best items seen of each scored item.
    normalise : kept weights of each item are made to sum to 1.
    cut_twice : the other side is cut after that to ``n_neighbours`` weights an item too: with
        ``neighbours_of = "seen"`` a popular item is not scored from all that name it.
    """

    alpha: float = 0.55
    beta: float = 0.45
    n_neighbours: int = 100
    neighbours_of: Literal["seen", "scored"] = "seen"
    normalise: bool = False
    cut_twice: bool = False

    def __post_init__(self) -> None:
        if not (self.alpha >= 0 and self.beta >= 0):
            raise ValueError(
                f"alpha = {self.alpha} and beta = {self.beta}; expected both at least 0"
            )
        if self.n_neighbours < 1:
            raise ValueError(f"n_neighbours = {self.n_neighbours}; expected at least 1")


class RP3beta(LinearRetriever):
    """Score an item by walks user -> item -> user -> item, each step to the power alpha.

    With d_i the users of item i and d_u the items of user u, a walk from item i over the common
    users to item j weighs W_ij = d_i^-alpha d_j^-beta sum_u d_u^-alpha, and the score is the sum
    over the history. The first step, from the query to its history, divides all of a query's scores
    by the same number and is left out.

    The paper walks from each user and keeps everything; keeping ``n_neighbours`` weights an item,
    and making them sum to 1, is how the method is compared since (Ferrari Dacrema et al.,
    RecSys 2019, whose code cuts the rows of items seen first and then the columns of scored items:
    ``cut_twice``). The walk never returns to the item it left by.

    Cost: time is the sum over users of their squared number of items, memory 46 bytes a
    weight, 88 if ``cut_twice``, of which each item has at most ``n_neighbours``; what does not fit
    is refused before it begins. A search reads one list of weights per item of the history; an item
    that none of them names has no score.

    References
    ----------
    Paudel, Christoffel, Newell and Bernstein, "Updatable, Accurate, Diverse, and Scalable
    Recommendations for Interactive Applications", ACM TiiS 7(1), 2017, section 4.
    """

    BuildParams: ClassVar[type[RP3betaParams]] = RP3betaParams
    kind = "rp3beta"
    TuneSpace: ClassVar[Space] = {
        "alpha": Range(0.0, 2.0),
        "beta": Range(0.0, 2.0),
        "n_neighbours": Range(10, 1000, log=True),
        "normalise": (False, True),
        "cut_twice": (False, True),
    }
    build_params: RP3betaParams

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Find the heaviest walks of every item."""
        params, n_items = self.build_params, train.n_items
        users = distinct(train.events, n_items)
        most = most_neighbours(users, n_items, params.n_neighbours)
        require_bytes(
            (CUT_BYTES if params.cut_twice else WEIGHT_BYTES) * most,
            f"rp3beta with up to {most:,} weights of {n_items:,} items",
            "try a smaller n_neighbours",
        )
        items = Lists.from_pairs(users.ids, users.rows, n_items)
        popularity = np.maximum(items.lengths, 1).astype(np.float64)
        left, right = popularity**params.alpha, popularity**params.beta
        if params.neighbours_of == "scored":
            left, right = right, left
        indptr, ids, weights = find_neighbours(
            users.indptr,
            users.ids,
            items.indptr,
            items.ids,
            np.maximum(users.lengths, 1).astype(np.float64) ** -params.alpha,
            np.ones(n_items),
            left,
            right,
            0.0,
            False,
            min(params.n_neighbours, n_items),
            most,
        )
        self._kept = Lists(indptr, ids.astype(np.int64))
        if params.normalise:
            weights = shares(weights, self._kept)
        if params.cut_twice:
            self._kept, weights = _cut_columns(self._kept, weights, params.n_neighbours)
        self._weights = weights

    def build(self) -> None:
        """Lay the weights out as one list per item seen."""
        seen, scored = self._kept.rows, self._kept.ids
        if self.build_params.neighbours_of == "scored":
            seen, scored = scored, seen
        self._serving = SparseWeights.of(seen, scored, self._weights, len(self._kept))
        self.mark("index_build")


def _cut_columns(kept: Lists, weights: FloatArray, n: int) -> tuple[Lists, FloatArray]:
    """Return the n heaviest weights of each id; of equal ones those of the smaller rows."""
    order = np.lexsort((kept.rows, -weights, kept.ids))
    columns = kept.ids[order]
    rank = np.arange(columns.size) - np.searchsorted(columns, columns, side="left")
    chosen = np.sort(order[rank < n])
    return Lists.from_pairs(kept.rows[chosen], kept.ids[chosen], len(kept)), weights[chosen]
