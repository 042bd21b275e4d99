"""What SimpleX makes of a history: the mean of its items' vectors, or one by attention."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.encoders.layout import Layout
from methods.encoders.pooling import mean_of_bags
from methods.encoders.tensors import Bags

PoolingName = Literal["mean", "user_attention", "self_attention"]


class HistoryPooling(nn.Module):
    """The mean of a history's vectors, or their sum weighted by a softmax over the history.

    Item j weighs exp(<tanh(W v_j), q>): q is the user's own vector (``user_attention``; the zero
    vector of an unknown user gives the mean), or one that all users share (``self_attention``).

    References
    ----------
    Mao et al., "SimpleX", CIKM 2021, sec. 3.3: average pooling, user-attention, self-attention.
    """

    def __init__(self, dim: int, name: PoolingName) -> None:
        """Take the length of the vectors; the mean has no weights of its own."""
        super().__init__()
        self.keys = None if name == "mean" else nn.Linear(dim, dim)
        self.query = nn.Parameter(torch.zeros(dim)) if name == "self_attention" else None
        if self.query is not None:
            nn.init.normal_(self.query, std=dim**-0.5)

    def forward(self, history: Bags, own: Tensor, item_table: Tensor) -> Tensor:
        """Return a vector per history, (n, dim); zeros for an empty one.

        Parameters
        ----------
        own : (n, dim), the users' vectors.
        item_table : (n_items, dim).
        """
        if self.keys is None:
            return mean_of_bags(history, item_table)
        if history.ids.numel() == 0:
            return item_table.new_zeros(own.shape)
        layout = Layout.of(history)
        keys = torch.tanh(self.keys(functional.embedding(history.ids, item_table)))
        if self.query is not None:
            logits = keys @ self.query
        else:
            rows = torch.div(layout.places, layout.longest, rounding_mode="floor")
            logits = (keys * functional.embedding(rows, own)).sum(1)
        return functional.embedding_bag(
            history.ids,
            item_table,
            history.offsets,
            mode="sum",
            per_sample_weights=_softmax_of_lists(logits, layout),
        )


def _softmax_of_lists(logits: Tensor, layout: Layout) -> Tensor:
    """Return the softmax within each list, (N,), of logits (N,)."""
    filled = torch.arange(layout.longest, device=logits.device) < layout.lengths[:, None]
    padded = layout.pad(logits[:, None]).squeeze(2).masked_fill(~filled, -torch.inf)
    weights = torch.softmax(padded, dim=1).nan_to_num(0.0)  # an empty list has none
    return layout.unpad(weights[:, :, None]).squeeze(1)
