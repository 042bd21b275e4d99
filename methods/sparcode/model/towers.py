"""Towers: two towers that are trained beside the codes, to score candidates again by."""

import torch
from torch import Tensor, nn

from harness.interactions import Interactions
from methods.batches import Batch
from methods.encoders.item import ItemFeatures
from methods.encoders.item_tower import ItemTower
from methods.encoders.query_tower import QueryTower
from methods.encoders.tensors import placed
from methods.negatives import Negatives
from methods.products import ProductScores
from methods.sparcode.model.settings import ModelSettings


class Towers(nn.Module):
    """score(q, i) = <query tower, item tower>, with no weight in common with the codes.

    What codes are scored by has to be good as a sum of positive parts as well; two towers of their
    own have not. They see the same batches, negatives and encoder.
    """

    def __init__(self, train: Interactions, settings: ModelSettings, device: str) -> None:
        """Take sizes and fields from a training log."""
        super().__init__()
        one = settings
        self.items = ItemFeatures(train, one.dim, device, init_std=one.encoder.init_std)
        self.query = QueryTower(train.query_schema, one.dim, one.hidden, device, one.encoder)
        self.item_tower = ItemTower(self.items.width, one.dim, one.hidden)

    def item_vectors(self, items: Tensor) -> Tensor:
        """Return (n, dim)."""
        vectors: Tensor = self.item_tower(self.items(items))
        return vectors

    def query_vectors(self, batch: Batch) -> Tensor:
        """Return (n, dim)."""
        table = self.items.history_table()
        vectors: Tensor = self.query(batch.history, batch.fields, table, batch.positions)
        return vectors

    def batch_scores(self, batch: Batch, negatives: Negatives) -> tuple[Tensor, ProductScores]:
        """Return the scores of the batch's own targets (n,), and what gives the negatives'."""
        queries = self.query_vectors(batch)
        targets, others = (placed(one, queries.device) for one in (batch.targets, negatives.items))
        vectors = self.item_vectors(torch.cat((targets, others)))
        n = len(targets)
        return (queries * vectors[:n]).sum(1), ProductScores(queries, vectors[n:])
