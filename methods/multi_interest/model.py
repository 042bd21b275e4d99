"""The model: score(q, i) = the best inner product of q's interests with i's vector."""

import torch
from torch import Tensor

from harness.interactions import Interactions
from methods.batches import Batch
from methods.encoders.item import ItemFeatures
from methods.encoders.item_tower import ItemTower
from methods.multi_interest.interests import (
    Interests,
    best_interest,
    label_aware_attention,
)
from methods.multi_interest.params import MultiInterestParams
from methods.negatives import Negatives
from methods.products import Vectors, products
from methods.training import RankingModel


class MultiInterestModel(RankingModel):
    """Interests of the query, one vector of the item; see `InterestTower` and `ItemTower`.

    A step trains one vector of each query: the interest nearest to the target or, of ``mind``, the
    mean that the target weighs; target and negatives are scored against that one. The target is
    not read in serving, where every interest counts and the best product is the score.
    """

    def __init__(self, train: Interactions, params: MultiInterestParams, device: str) -> None:
        """Take sizes and fields from a training log."""
        super().__init__()
        dim, hidden = params.dim, params.hidden
        self.items = ItemFeatures(train, dim, device, with_fields=params.tower == "mlp")
        self.interest_tower = params.interest_tower(train.query_schema, ordered=train.ordered)
        self.item_tower = ItemTower(self.items.width, dim, hidden)
        self._params = params
        self._all = torch.arange(train.n_items, device=device)
        self.to(device)

    def item_vectors(self, items: Tensor) -> Tensor:
        """Return (n, dim)."""
        vectors: Tensor = self.item_tower(self.items(items))
        return vectors

    def catalogue_vectors(self) -> Tensor:
        """Return the vectors of all items, (n_items, dim)."""
        return self.item_vectors(self._all)

    def batch_scores(self, batch: Batch, negatives: Negatives) -> tuple[Tensor, Tensor, Tensor]:
        """See `RankingModel`."""
        targets = self.item_vectors(torch.from_numpy(batch.targets).to(self._all.device))
        queries = self._trained(batch, targets)
        others = torch.from_numpy(negatives.items).to(self._all.device)
        scores = products(queries, others, self.item_vectors)
        return (queries * targets).sum(1), scores, queries.new_zeros(())

    def batch_vectors(self, batch: Batch, negatives: Negatives) -> Vectors:
        """See `RankingModel`."""
        targets = self.item_vectors(torch.from_numpy(batch.targets).to(self._all.device))
        queries = self._trained(batch, targets)
        others = self.item_vectors(torch.from_numpy(negatives.items).to(self._all.device))
        return Vectors(queries, targets, others, queries.new_zeros(()))

    def all_scores(self, batch: Batch) -> Tensor:
        """See `RankingModel`."""
        return self.interests(batch).scores(self.catalogue_vectors())

    def interests(self, batch: Batch) -> Interests:
        """Return the interests of a batch's queries."""
        found: Interests = self.interest_tower(
            batch.history, batch.fields, self.items.history_table()
        )
        return found

    def _trained(self, batch: Batch, targets: Tensor) -> Tensor:
        """Return the vector of each query that is trained, (n, dim)."""
        interests = self.interests(batch)
        if self._params.routing == "mind":
            return label_aware_attention(interests, targets, self._params.power)
        return best_interest(interests, targets)
