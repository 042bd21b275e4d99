"""History encoders: a history -> one vector. Here the two for which its order means nothing."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.encoders.layout import Layout
from methods.encoders.pooling import mean_of_bags
from methods.encoders.tensors import Bags


class HistoryEncoder(nn.Module, ABC):
    """n histories -> (n, dim); zeros for a history without items."""

    @abstractmethod
    def forward(self, history: Bags, item_table: Tensor, positions: Tensor | None) -> Tensor:
        """Return a vector per history, or, of a sequential encoder, one per position.

        Parameters
        ----------
        history : n lists of item ids.
        item_table : (n_items, dim), what each item brings to a history.
        positions : int64 (m,), places in ``history.ids``: (m, dim) is returned, what is known at
            each of them. None: what is known at the end of each list.
        """


class HistoryMean(HistoryEncoder):
    """The mean of the items' vectors."""

    def forward(self, history: Bags, item_table: Tensor, positions: Tensor | None) -> Tensor:
        """See `HistoryEncoder`; positions are for encoders that know an order."""
        assert positions is None, "the mean is taken of whole histories"
        return mean_of_bags(history, item_table)


class AttentionPool(HistoryEncoder):
    """The items' vectors averaged with weights that a learned query per head gives them.

    Weights are the softmax over a history of <query, item> / sqrt(dim of a head); a head has its
    own part of the coordinates. Queries start at zero, so that training starts from the mean.

    References
    ----------
    Yang et al., "Hierarchical Attention Networks for Document Classification", NAACL 2016, eq. 5
    to 7 (a learned context vector), here without the perceptron before the product.
    """

    def __init__(self, dim: int, n_heads: int) -> None:
        """Take the number of heads, which divides ``dim``."""
        super().__init__()
        self.queries = nn.Parameter(torch.zeros(n_heads, dim // n_heads))

    def forward(self, history: Bags, item_table: Tensor, positions: Tensor | None) -> Tensor:
        """See `HistoryEncoder`; positions are for encoders that know an order."""
        assert positions is None, "attention is paid to whole histories"
        layout, heads = Layout.of(history), self.queries.shape
        n, dim = len(layout.lengths), item_table.shape[1]
        if layout.longest == 0:
            return item_table.new_zeros((n, dim))
        items = functional.embedding(history.ids, item_table)
        logits = (items.view(-1, *heads) * self.queries).sum(2) / math.sqrt(heads[1])  # (N, heads)
        filled = torch.arange(layout.longest, device=items.device) < layout.lengths[:, None]
        logits = layout.pad(logits).masked_fill(~filled[:, :, None], -torch.inf)
        weights = torch.softmax(logits, dim=1).nan_to_num(0.0)  # an empty history has no weights
        padded = layout.pad(items).view(n, layout.longest, *heads)
        return torch.einsum("nlh,nlhd->nhd", weights.to(padded.dtype), padded).reshape(n, dim)
