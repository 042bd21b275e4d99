"""Distinct tokens: what many queries of a batch share is scored once."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from harness.fields import Categorical, Fields


class Distinct(NamedTuple):
    """R tokens to score, and where each query's K tokens are among them.

    ``vectors`` (R, D). ``owners`` int64 (R,), which of the K tokens a vector is of. ``places``
    int64 (n, K).
    """

    vectors: Tensor
    owners: Tensor
    places: Tensor

    def sum_of(self, scores: Tensor) -> Tensor:
        """Return for each query the sum of its tokens' scores, (R, m) -> (n, m)."""
        total = scores[self.places[:, 0]]
        for column in range(1, self.places.shape[1]):
            total = total + scores[self.places[:, column]]
        return total


def distinct_tokens(tokens: Tensor, fields: Fields | None, names: list[str | None]) -> Distinct:
    """Return the tokens of a batch with those of equal categorical ids taken once.

    A categorical field's token is a row of its table: equal ids share vector, code and gradient,
    so that scoring one of them, and adding up the gradients, is exact. Any other token stands for
    its query alone, also where two have the same code: their gradients go different ways.

    Parameters
    ----------
    tokens : (n, K, D)
    fields : n rows of the query side.
    names : for each of the K tokens the field that it is the vector of, or None.
    """
    n, device = len(tokens), tokens.device
    vectors, owners, places, count = [], [], [], 0
    for token, name in enumerate(names):
        column = None if fields is None or name is None else fields.columns[name]
        if isinstance(column, Categorical):
            _, first, inverse = np.unique(column.ids, return_index=True, return_inverse=True)
            vectors.append(tokens[torch.from_numpy(first).to(device), token])
            place = torch.from_numpy(inverse).to(device)
        else:
            vectors.append(tokens[:, token])
            place = torch.arange(n, device=device)
        owners.append(torch.full((len(vectors[-1]),), token, device=device))
        places.append(place + count)
        count += len(vectors[-1])
    return Distinct(torch.cat(vectors), torch.cat(owners), torch.stack(places, dim=1))
