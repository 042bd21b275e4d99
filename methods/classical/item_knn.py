"""ItemKNN: items similar, by the users they share, to those a user has met."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from harness.interactions import HeldOut, Interactions
from harness.lists import FloatArray, Lists
from harness.spaces import Range, Space
from methods.classical.item_weights import SparseWeights
from methods.classical.linear import LinearRetriever
from methods.classical.met import distinct, most_neighbours
from methods.classical.neighbours import find_neighbours
from methods.classical.room import require_bytes
from methods.classical.shares import shares

BM25_K1, BM25_B = 1.2, 0.75
WEIGHT_BYTES = 46  # of a neighbour while it is found and laid out; 8 once served

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ItemKNNParams:
    """How neighbours are chosen and weighted.

    Attributes
    ----------
    n_neighbours : kept for each item (k).
    similarity : with c the weighted count of common users and n_i = c(i, i): ``cosine`` is
        c / sqrt(n_i n_j), ``asymmetric_cosine`` c / (n_i^a n_j^(1-a)), i the item whose
        neighbours these are, ``jaccard`` c / (n_i + n_j - c), ``dot`` c itself.
    asymmetry : a of the asymmetric cosine, 0 to 1.
    shrinkage : added to the divisor, against similarities that few users support.
    weighting : of events. ``unit_users`` gives each user's row length 1, ``tfidf`` weighs a user
        by log(n_items / (1 + items met)), ``bm25`` also an item by its number of users.
    power : similarities are raised to it.
    normalise : each item's kept similarities are made to sum to 1.
    neighbours_of : ``scored``: an item is scored by those of its own neighbours that the user has
        met; ``seen``: each item the user has met votes for its neighbours.
    centred : score the deviation from item means, and add the scored item's own mean.
    """

    n_neighbours: int = 100
    similarity: Literal["cosine", "asymmetric_cosine", "jaccard", "dot"] = "cosine"
    asymmetry: float = 0.5
    shrinkage: float = 0.0
    weighting: Literal["none", "unit_users", "tfidf", "bm25"] = "none"
    power: float = 1.0
    normalise: bool = False
    neighbours_of: Literal["scored", "seen"] = "scored"
    centred: bool = False

    def __post_init__(self) -> None:
        if self.n_neighbours < 1:
            raise ValueError(f"n_neighbours = {self.n_neighbours}; expected at least 1")
        if not self.shrinkage >= 0:
            raise ValueError(f"shrinkage = {self.shrinkage}; expected at least 0")
        if not self.power > 0:
            raise ValueError(f"power = {self.power}; expected more than 0")
        if not 0 <= self.asymmetry <= 1:
            raise ValueError(f"asymmetry = {self.asymmetry}; expected 0 to 1")
        if self.similarity == "dot" and self.shrinkage:
            raise ValueError("shrinkage changes nothing of the similarity 'dot'; expected 0")


class ItemKNN(LinearRetriever):
    """Score an item by its similarity to the items of the history, summed.

    Fitting visits every pair of items that share a user: time is the sum over users of their
    squared number of items, memory 46 bytes a neighbour, of which each item has at most
    ``n_neighbours``; what does not fit is refused before it begins. A search reads one list of
    postings per item of the history. An item met twice counts once.

    Without ``centred`` only items that share a neighbour with the history have a score; the rest
    is padding, and ``-inf`` in `score`. With it every item has one, as in the benchmark whose
    figures are often cited (BARS: cosine, normalised, centred).

    References
    ----------
    Sarwar, Karypis, Konstan and Riedl, WWW 2001, sections 3.1 and 3.2. Deshpande and Karypis, TOIS
    22(1), 2004, for normalised lists and neighbours of items seen. Aiolli, RecSys 2013, eq. 3, for
    the asymmetric cosine. Bell and Koren, ICDM 2007, for shrinkage.
    """

    BuildParams = ItemKNNParams
    kind = "item_knn"
    TuneSpace: ClassVar[Space] = {
        "n_neighbours": Range(10, 1000, log=True),
        "similarity": ("cosine", "asymmetric_cosine", "jaccard"),
        "asymmetry": Range(0.0, 1.0),
        "shrinkage": (0.0, 10.0, 50.0, 200.0),
        "weighting": ("none", "unit_users", "tfidf", "bm25"),
        "power": Range(0.5, 2.0, log=True),
        "normalise": (False, True),
        "neighbours_of": ("scored", "seen"),
        "centred": (False, True),
    }
    build_params: ItemKNNParams

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Find the neighbours of every item."""
        params = self.build_params
        users = distinct(train.events, train.n_items)
        most = most_neighbours(users, train.n_items, params.n_neighbours)
        require_bytes(
            WEIGHT_BYTES * most,
            f"item_knn with up to {most:,} neighbours of {train.n_items:,} items",
            "try a smaller n_neighbours",
        )
        items = Lists.from_pairs(users.ids, users.rows, train.n_items)
        user_weights, item_weights = _weights(params.weighting, users, items)
        norms = item_weights**2 * np.bincount(
            users.ids, weights=user_weights[users.rows], minlength=train.n_items
        )
        left, right = _divisors(params, norms)
        indptr, ids, similarities = find_neighbours(
            users.indptr,
            users.ids,
            items.indptr,
            items.ids,
            user_weights,
            item_weights,
            left,
            right,
            params.shrinkage,
            params.similarity == "jaccard",
            min(params.n_neighbours, train.n_items),
            most,
        )
        neighbours = Lists(indptr, ids.astype(np.int64))
        if params.power != 1:
            similarities = _powers(similarities, neighbours, params)
        if params.normalise:
            similarities = shares(similarities, neighbours)
        self._neighbours, self._similarities = neighbours, similarities
        self._means = items.lengths / max(train.n_users, 1)

    def build(self) -> None:
        """Lay the neighbours out as one list of (scored item, weight) per item seen."""
        near, n_items = self._neighbours, len(self._neighbours)
        seen, scored = near.rows, near.ids
        if self.build_params.neighbours_of == "scored":
            seen, scored = scored, seen
        offsets = None
        if self.build_params.centred:
            expected = np.bincount(
                scored, weights=self._similarities * self._means[seen], minlength=n_items
            )
            offsets = (self._means - expected).astype(np.float32)
        self._serving = SparseWeights.of(
            seen,
            scored,
            self._similarities,
            n_items,
            offsets=offsets,
            scores_all=self.build_params.centred,
        )
        self.mark("index_build")


def _powers(values: FloatArray, neighbours: Lists, params: ItemKNNParams) -> FloatArray:
    """Return similarities to the power; where lists are normalised, relative to their best.

    The shares are the same, and of a high power the best neighbours' do not vanish.
    """
    if params.normalise:
        best = values[neighbours.indptr[neighbours.rows]]  # lists have their best first
        values = np.divide(values, best, out=np.zeros_like(values), where=best > 0)
    return np.asarray(values ** np.float32(params.power))


def _weights(weighting: str, users: Lists, items: Lists) -> tuple[Reals, Reals]:
    """Return a weight of each user, already squared, and of each item; an event's is a product."""
    n_items, met = len(items), np.maximum(users.lengths, 1)
    item_weights = np.ones(n_items)
    if weighting == "none":
        return np.ones(len(users)), item_weights
    if weighting == "unit_users":
        return 1.0 / met, item_weights
    rarity = np.maximum(np.log(n_items / (1.0 + met)), 0.0)
    if weighting == "bm25":
        length = 1 - BM25_B + BM25_B * items.lengths / max(items.lengths.mean(), 1e-12)
        item_weights = (BM25_K1 + 1) / (BM25_K1 * length + 1)
    return rarity**2, item_weights


def _divisors(params: ItemKNNParams, norms: Reals) -> tuple[Reals, Reals]:
    """Return what the kernel combines into a pair's divisor; an item without users gets 1."""
    if params.similarity == "jaccard":
        return norms, norms
    if params.similarity == "dot":
        return np.ones_like(norms), np.ones_like(norms)
    share = 0.5 if params.similarity == "cosine" else params.asymmetry
    used = np.where(norms > 0, norms, 1.0)
    return used**share, used ** (1 - share)
