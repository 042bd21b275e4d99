"""Query tokens: a query as several vectors, of itself, of its history's items, of its fields."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.fields import Fields
from methods.batches import Batch
from methods.encoders.params import EncoderParams
from methods.encoders.query import Inputs, QueryFeatures, mlp


class Tokens(NamedTuple):
    """Tokens of n queries: ``vectors`` (n, L, dim), ``present`` bool (n, L); absent ones are 0."""

    vectors: Tensor
    present: Tensor


class QueryTokens(nn.Module):
    """Query -> tokens (n, 1 + T + n_fields, dim): a summary, the last T positions, the fields.

    *summary*: the history's vector plus a perceptron over it and the fields, as in the query tower
    of two towers; every query has one, also without a history. *positions*, the last of a history
    first: what a sequential encoder knows there, else the item's vector, plus, of an ordered log, a
    learned vector of the place counted from the end. A place before the history's first item has no
    token. *fields*: one of each; a multi-valued field without ids has none.
    """

    def __init__(
        self,
        schema: Fields | None,
        dim: int,
        hidden: int,
        device: str,
        encoder: EncoderParams,
        *,
        ordered: bool,
        n_positions: int | None,
        summary: bool = True,
    ) -> None:
        """Take names and kinds of fields, and T, ``n_positions``.

        With None all of a history counts; of an ordered log it has ``encoder.max_history`` items at
        most.
        """
        super().__init__()
        self.features = QueryFeatures(schema, dim, device, encoder, hidden)
        self.mixture = mlp(self.features.n_parts * dim, hidden, dim) if summary else None
        self.places: nn.Embedding | None = None
        if ordered and not encoder.is_sequential:
            self.places = nn.Embedding(n_positions or encoder.max_history, dim)
            nn.init.zeros_(self.places.weight)
        self._contextual, self._n_positions = encoder.is_sequential, n_positions

    def of_batch(self, batch: Batch, item_table: Tensor) -> Tokens:
        """Return the tokens of a batch of training or of queries; see `forward`."""
        tokens: Tokens = self(
            self.features.inputs(batch.history, batch.fields, batch.positions), item_table
        )
        return tokens

    def forward(self, inputs: Inputs, item_table: Tensor) -> Tokens:
        """Return the tokens; ``item_table`` (n_items, dim) is what items bring to a history."""
        starts, lasts = _ends(inputs)
        states = self._states(inputs, item_table)
        fields = self.features.fields(inputs.columns)
        parts, present = [], []
        if self.mixture is not None:
            pooled = self._pooled(inputs, item_table, states, starts, lasts)
            mixed = self.mixture(torch.cat([pooled, *fields], dim=1))
            parts.append((pooled + mixed)[:, None])
            present.append(torch.ones_like(starts, dtype=torch.bool)[:, None])
        n_back = self._n_positions
        if n_back is None:
            n_back = int((lasts - starts).max()) + 1 if len(starts) else 0
        back = torch.arange(n_back, device=starts.device)
        there = lasts[:, None] - back >= starts[:, None]  # (n, T)
        parts.append(self._at(states, (lasts[:, None] - back).clamp_min(0), there))
        present.append(there)
        for one in fields:
            parts.append(one[:, None])
            present.append(one.detach().any(dim=1, keepdim=True))
        return Tokens(torch.cat(parts, dim=1), torch.cat(present, dim=1))

    def _states(self, inputs: Inputs, item_table: Tensor) -> Tensor:
        """Return what stands at each of the N places of all histories, (N, dim)."""
        ids = inputs.history.ids
        if not self._contextual:
            return functional.embedding(ids, item_table)
        everywhere = torch.arange(len(ids), device=ids.device)
        states: Tensor = self.features.history(inputs.history, item_table, everywhere)
        return states

    def _pooled(
        self, inputs: Inputs, item_table: Tensor, states: Tensor, starts: Tensor, lasts: Tensor
    ) -> Tensor:
        """Return the vector of each history, (n, dim): of a sequential encoder the last state."""
        if self._contextual:
            return self._at(states, lasts.clamp_min(0), lasts >= starts)
        pooled: Tensor = self.features.history(inputs.history, item_table, None)
        return pooled

    def _at(self, states: Tensor, places: Tensor, there: Tensor) -> Tensor:
        """Return states at places of any shape, zeros where they are not ``there``."""
        if len(states) == 0:
            return states.new_zeros((*places.shape, states.shape[1]))
        vectors = functional.embedding(places, states)
        if self.places is not None and places.ndim == 2:
            vectors = vectors + self.places.weight[: places.shape[1]]
        return vectors * there[..., None]


def _ends(inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Return the first and last place of each query's history in all ids, int64 (n,).

    The last stands before the first where there is none.
    """
    offsets = inputs.history.offsets
    if inputs.positions is not None:
        lists = torch.searchsorted(offsets, inputs.positions, right=True) - 1
        return offsets[lists], inputs.positions
    after = torch.cat((offsets[1:], offsets.new_tensor([inputs.history.ids.numel()])))
    return offsets, after[: len(offsets)] - 1
