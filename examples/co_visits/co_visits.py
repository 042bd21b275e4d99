"""CoVisits: a method from outside the tree, which pip installs and `matchbench list` names."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from harness.retriever import Retriever
from harness.topk import select_top_k


@dataclass(frozen=True, slots=True)
class CoVisitsParams:
    """``discount``: an item's counts are divided by its users to this power, 0 to 1."""

    discount: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.discount <= 1:
            raise ValueError(f"discount = {self.discount}; expected 0 to 1")


class CoVisits(Retriever):
    """Score an item by how often users met it together with the items of the history."""

    BuildParams = CoVisitsParams

    def fit(self, train, validation=None):
        """Count for each pair of items the users who met both."""
        users = self._matrix(train.events, train.n_items)
        counts = (users.T @ users).tocsr()
        counts.setdiag(0)
        met = np.maximum(users.sum(axis=0), 1) ** self.build_params.discount
        self._counts = counts @ sparse.diags_array(1 / met)

    def search(self, queries, k):
        """Add up the counts of the history's items; hidden items are left out."""
        history = self._matrix(queries.history, self._counts.shape[0])
        scores = (history @ self._counts).toarray().astype(np.float32)
        return select_top_k(scores, k, queries.hidden)

    @staticmethod
    def _matrix(lists, n_items):
        ones = np.ones(len(lists.ids))
        shape = (len(lists), n_items)
        return sparse.csr_array((ones, lists.ids, lists.indptr), shape=shape)
