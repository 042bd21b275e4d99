"""UserKNN: what the users most like the query have met."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from harness.arrays import load_arrays, save_arrays
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import FloatArray, IntArray, Lists
from harness.retriever import Capability, Footprint, Retriever
from harness.spaces import Range, Space
from harness.topk import PAD_ID, PAD_SCORE, TopK
from methods.classical.met import distinct, plain
from methods.classical.room import require_bytes
from methods.classical.user_neighbours import COSINE, DOT, JACCARD, Int32Array, search_users

KIND = "user_knn"  # of what is saved
SAVED = ("user_indptr", "user_items", "item_indptr", "item_users", "weights")
SIMILARITIES = {"cosine": COSINE, "jaccard": JACCARD, "dot": DOT}
EVENT_BYTES = 68  # of an event while the log is sorted; 8 once served
BLOCK_SCORES = 1 << 20  # lists as long as the catalogue, made at once where all scores are wanted


@dataclass(frozen=True, slots=True)
class UserKNNParams:
    """Who is asked, and what each says.

    Attributes
    ----------
    n_neighbours : training users nearest to the query.
    power : their similarities are raised to it.
    similarity : with c the summed weights of the common items of query and user, n those of all
        items of either: ``cosine`` is c / sqrt(n_q n_v), ``jaccard`` c / (n_q + n_v - c), ``dot``
        c itself.
    weighting : of an item. ``none`` is 1; ``idf`` is log(n_users / users met)^2, so that a rare
        item in common says more.
    shrinkage : added to the divisor, against similarities that few items support.
    """

    n_neighbours: int = 100
    power: float = 1.0
    similarity: Literal["cosine", "jaccard", "dot"] = "cosine"
    weighting: Literal["none", "idf"] = "none"
    shrinkage: float = 0.0

    def __post_init__(self) -> None:
        if self.n_neighbours < 1:
            raise ValueError(f"n_neighbours = {self.n_neighbours}; expected at least 1")
        if not self.power > 0:
            raise ValueError(f"power = {self.power}; expected more than 0")
        if not self.shrinkage >= 0:
            raise ValueError(f"shrinkage = {self.shrinkage}; expected at least 0")
        if self.similarity == "dot" and self.shrinkage:
            raise ValueError("shrinkage changes nothing of the similarity 'dot'; expected 0")


class UserKNN(Retriever):
    """Score an item by the similarities of those of the query's neighbours who have met it.

    Neighbours are training users by what they have met, found for the query's history at search
    time; the query's own row in training is no neighbour of it. Ties at the last neighbour go to
    the smaller user id. Ratings are 1, so there are no means to subtract.

    Cost: no fitting beyond two sorted copies of the log, 8 bytes an event and 12 a user or item, 68
    an event while they are sorted; what does not fit is refused before it begins. A
    search reads for each item of the history the users who met it, then the items of the
    ``n_neighbours`` nearest: popular items make it slow. An item that no neighbour has met has no
    score. `score` ranks all of them first and is slow.

    References
    ----------
    Resnick, Iacovou, Suchak, Bergstrom and Riedl, "GroupLens", CSCW 1994. Herlocker, Konstan,
    Borchers and Riedl, SIGIR 1999, for neighbourhoods of fixed size. Breese, Heckerman and Kadie,
    UAI 1998, section 2.2, for inverse user frequency.
    """

    BuildParams: ClassVar[type[UserKNNParams]] = UserKNNParams
    TuneSpace: ClassVar[Space] = {
        "n_neighbours": Range(10, 1000, log=True),
        "power": Range(0.5, 2.0, log=True),
        "similarity": ("cosine", "jaccard"),
        "weighting": ("none", "idf"),
        "shrinkage": (0.0, 10.0, 50.0, 200.0),
    }
    capabilities = frozenset({Capability.SCORE, Capability.COUNTERS, Capability.SAVE})
    search_stages: ClassVar[tuple[str, ...]] = ("scoring",)  # one kernel: neighbours, sums, top
    build_params: UserKNNParams

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Lay the log out by user and by item, and weigh the items."""
        require_bytes(
            EVENT_BYTES * train.n_events + 40 * (train.n_users + train.n_items),
            f"user_knn, which sorts {train.n_events:,} events twice,",
            "try item_knn, which keeps no users",
        )
        users = distinct(train.events, train.n_items)
        items = Lists.from_pairs(users.ids, users.rows, train.n_items)
        weights = np.ones(train.n_items)
        if self.build_params.weighting == "idf":
            weights = np.log(max(train.n_users, 1) / np.maximum(items.lengths, 1)) ** 2
        norms = np.bincount(users.rows, weights=weights[users.ids], minlength=train.n_users)
        self._start(
            users.indptr,
            users.ids.astype(np.int32),
            items.indptr,
            items.ids.astype(np.int32),
            np.concatenate((weights, norms)).astype(np.float32),
        )

    def _start(
        self,
        user_indptr: IntArray,
        user_items: Int32Array,
        item_indptr: IntArray,
        item_users: Int32Array,
        weights: FloatArray,
    ) -> None:
        self._arrays = user_indptr, user_items, item_indptr, item_users, weights
        self._n_users, self._n_items = user_indptr.size - 1, item_indptr.size - 1
        self._work = np.zeros(2, np.int64)

    def search(self, queries: Queries, k: int) -> TopK:
        """Return the items of the largest sums, padded where too few have one."""
        found = self._search(queries, queries.hidden, k, self._work)
        self.mark("scoring")
        return found

    def _search(self, queries: Queries, hidden: Lists, k: int, work: IntArray) -> TopK:
        shape = (len(queries), k)
        ids, scores = np.full(shape, PAD_ID, np.int64), np.full(shape, PAD_SCORE, np.float32)
        history = distinct(queries.history, self._n_items)
        search_users(
            *self._arrays,
            *plain(history),
            np.require(queries.user_ids, None, ["C", "W"]),
            *plain(hidden),
            min(self.build_params.n_neighbours, self._n_users),
            SIMILARITIES[self.build_params.similarity],
            self.build_params.shrinkage,
            self.build_params.power,
            ids,
            scores,
            work,
        )
        return TopK(ids, scores)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the sums that `search` ranks by; -inf for an item that it never returns."""
        n_items, rows = self._n_items, max(1, BLOCK_SCORES // self._n_items)
        out = np.empty((len(queries), item_ids.size), np.float32)
        for start in range(0, len(queries), rows):
            block = queries.take(np.arange(start, min(start + rows, len(queries))))
            nothing = Lists.empty(len(block))
            found = self._search(block, nothing, n_items, np.zeros(2, np.int64))
            scores = np.full((len(block), n_items + 1), PAD_SCORE, np.float32)  # the last: pads
            np.put_along_axis(scores, found.ids, found.scores, axis=1)
            out[start : start + rows] = scores[:, item_ids]
        return out

    def footprint(self) -> Footprint:
        """Return the bytes of the log in both orders, and of the weights."""
        return Footprint(sum(one.nbytes for one in self._arrays))

    def counters(self) -> Mapping[str, int]:
        """Return the users and items read in lists, and the items scored, over all searches."""
        return {"postings": int(self._work[0]), "candidates": int(self._work[1])}

    def save(self, folder: Path) -> None:
        """Write the log in both orders, and the weights."""
        save_arrays(folder, KIND, dict(zip(SAVED, self._arrays, strict=True)))

    def load(self, folder: Path) -> None:
        """Become what `save` wrote."""
        arrays, _ = load_arrays(folder, KIND)
        self._start(*(arrays[name] for name in SAVED))
