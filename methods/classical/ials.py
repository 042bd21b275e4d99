"""iALS: matrix factorisation over all user-item pairs by alternating least squares."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from harness.arrays import Array, load_arrays, save_arrays
from harness.interactions import HeldOut, Interactions, Queries
from harness.lists import FloatArray, IntArray, Lists
from harness.retriever import Capability, Footprint, Retriever
from harness.seeding import generator
from harness.spaces import Range, Space
from harness.topk import TopK, concatenate, select_top_k
from methods.classical.met import distinct
from methods.classical.normal_equations import Reals, Spectrum, solve_rows, spectrum

KIND = "ials"  # of what is saved
SAVED = ("items", "values")
BLOCK_SCORES = 1 << 22  # of a search held at once: 16 MB, and as much to select


@dataclass(frozen=True, slots=True)
class IALSParams:
    """Size, weights and length of training.

    Attributes
    ----------
    dim : of the vectors (d).
    unobserved_weight : of a pair that is not in the log (alpha_0), above 0; one that is weighs 1
        more.
    l2 : regularisation (lambda), above 0.
    frequency_exponent : nu: a user of n events, of N items, is regularised by
        lambda (n + alpha_0 N)^nu, and an item likewise; 0: all by lambda.
    epochs : each solves all users, then all items.
    init_std : standard deviation of an item's first vector's length (sigma).
    """

    dim: int = 128
    unobserved_weight: float = 0.1
    l2: float = 0.003
    frequency_exponent: float = 1.0
    epochs: int = 16
    init_std: float = 0.1

    def __post_init__(self) -> None:
        for name in ("dim", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}; expected at least 1")
        for name in ("unobserved_weight", "l2", "init_std"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} = {getattr(self, name)}; expected more than 0")
        if not self.frequency_exponent >= 0:
            raise ValueError(f"frequency_exponent = {self.frequency_exponent}; expected at least 0")


class IALS(Retriever):
    """Fit <w_u, h_i> to 1 on the events and, more weakly, to 0 on all pairs.

    Minimises sum over events (<w_u, h_i> - 1)^2 + alpha_0 sum over all pairs <w_u, h_i>^2 +
    lambda (sum_u (|I_u| + alpha_0 |I|)^nu |w_u|^2 + sum_i (|U_i| + alpha_0 |U|)^nu |h_i|^2), users
    and items by turns, each exactly. A query is a history: its vector solves the same normal
    equation (fold-in), so training users are not stored, and known users get the vector of the
    history they come with. A repeated event counts once.

    The normal equation of a user of n events is (H_u^T H_u + alpha_0 H^T H + lambda_u I) w = H_u^T
    1. Where the paper factors a d x d matrix for each, here H^T H is decomposed into eigenvectors
    once for all users; in that basis all but the first term is diagonal, and by Woodbury's
    identity an n x n system remains: n^2 d + n^3 / 3 multiplications in place of n d^2 + d^3 / 3,
    for the same solution. It is what makes dimensions of 512 to 2,048 cheap where users have few
    events; where n exceeds d the d x d matrix is factored. Item vectors are served in that basis
    too, which changes no inner product.

    Cost: an epoch solves n_users + n_items such systems, and decomposes twice d x d; memory is
    4 d (n_users + n_items) bytes. A search solves one system, then compares all items: d n_items
    multiplications, blocked.

    The `implicit` library has neither alpha_0 apart from the target nor regularisation scaled by
    frequency, so it is not used.

    References
    ----------
    Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008.
    Rendle, Krichene, Zhang and Koren, "Revisiting the Performance of iALS on Item Recommendation
    Benchmarks", RecSys 2022, eq. 1 to 5 (objective, scaled regularisation, initialisation).
    """

    BuildParams: ClassVar[type[IALSParams]] = IALSParams
    TuneSpace: ClassVar[Space] = {
        "dim": (64, 128, 256, 512),
        "unobserved_weight": Range(5e-3, 2.0, log=True),
        "l2": Range(3e-4, 3e-2, log=True),
    }
    capabilities = frozenset(
        {Capability.SCORE, Capability.ENCODE, Capability.COUNTERS, Capability.SAVE}
    )
    search_stages: ClassVar[tuple[str, ...]] = ("encode", "scoring", "top_k")
    build_stages: ClassVar[tuple[str, ...]] = ("item_vectors",)
    build_params: IALSParams

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Alternate from random item vectors of ``init_std / sqrt(dim)``."""
        params = self.build_params
        users = distinct(train.events, train.n_items)
        items = Lists.from_pairs(users.ids, users.rows, train.n_items)
        drawn = generator(self.seed, "ials").standard_normal((train.n_items, params.dim))
        self._items = (drawn * params.init_std / np.sqrt(params.dim)).astype(np.float32)
        for epoch in range(params.epochs):
            vectors = self._solve(users, self._items)
            self._items = self._solve(items, vectors)
            self.progress("epochs", epoch + 1, params.epochs)

    def build(self) -> None:
        """Turn the item vectors into the basis that queries are solved in."""
        self._take(spectrum(self._items))
        self.mark("item_vectors")

    def _take(self, of_items: Spectrum) -> None:
        self._spectrum, self._n_distances = of_items, 0

    def _solve(self, lists: Lists, vectors: FloatArray) -> FloatArray:
        """Return the best vector of each list of rows of ``vectors``, float32 (n, dim)."""
        of_others = spectrum(vectors)
        return solve_rows(lists, of_others, self._diagonals(lists, of_others)) @ of_others.basis.T

    def _diagonals(self, lists: Lists, of_others: Spectrum) -> tuple[Reals, Reals]:
        """Return alpha_0 times the eigenvalues (dim,) and the regularisation of each list (n,)."""
        params, n_others = self.build_params, len(of_others.vectors)
        frequency = lists.lengths + params.unobserved_weight * n_others
        scaled = np.asarray(params.l2 * frequency**params.frequency_exponent, np.float64)
        return params.unobserved_weight * of_others.values, scaled

    def encode(self, queries: Queries) -> FloatArray:
        """Return the vector that solves each history's normal equation, float32 (n, dim).

        In the basis of the served item vectors; 0 for an empty history.
        """
        history = distinct(queries.history, len(self._spectrum.vectors))
        return solve_rows(history, self._spectrum, self._diagonals(history, self._spectrum))

    def search(self, queries: Queries, k: int) -> TopK:
        """Solve for the vectors, then take the items of the largest inner products."""
        encoded = self.encode(queries)
        self.mark("encode")
        return self.search_encoded(encoded, queries.hidden, k)

    def search_encoded(self, encoded: FloatArray, hidden: Lists, k: int) -> TopK:
        """Return the items of the largest inner products, exactly."""
        items = self._spectrum.vectors
        self._n_distances += len(encoded) * len(items)
        rows, parts = max(1, BLOCK_SCORES // len(items)), []
        for start in range(0, max(len(encoded), 1), rows):
            scores = encoded[start : start + rows] @ items.T
            self.mark("scoring")
            places = np.arange(start, start + len(scores))
            parts.append(select_top_k(scores, k, hidden.take(places)))
            self.mark("top_k")
        return concatenate(parts)

    def score(self, queries: Queries, item_ids: IntArray) -> FloatArray:
        """Return the inner products, float32 (n, n_item_ids)."""
        return np.asarray(self.encode(queries) @ self._spectrum.vectors[item_ids].T)

    def footprint(self) -> Footprint:
        """Return the bytes of item vectors and eigenvalues."""
        return Footprint(self._spectrum.vectors.nbytes + self._spectrum.values.nbytes)

    def counters(self) -> Mapping[str, int]:
        """Return the inner products of all searches."""
        return {"distances": self._n_distances}

    def save(self, folder: Path) -> None:
        """Write item vectors and eigenvalues."""
        arrays: tuple[Array, ...] = (self._spectrum.vectors, self._spectrum.values)
        save_arrays(folder, KIND, dict(zip(SAVED, arrays, strict=True)))

    def load(self, folder: Path) -> None:
        """Become what `save` wrote."""
        arrays, _ = load_arrays(folder, KIND)
        self._take(Spectrum(arrays["items"], arrays["values"], np.zeros((0, 0), np.float32)))
