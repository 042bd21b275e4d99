"""Rows to score: the distinct (code or token) vectors of a batch, and where each query has them."""

from typing import NamedTuple

import torch
from torch import Tensor

from methods.sparcode.model.encoder import Encoder, Tokens
from methods.sparcode.model.quantizer import Assigned
from methods.summed_softmax import SummedScores


class Rows(NamedTuple):
    """U vectors to score once, whatever number of queries has them.

    ``vectors`` (U, D); ``codes`` int64 (U,), over all groups, -1 of a token that has none;
    ``groups`` int64 (U,); ``places`` int64 (n, L); ``weights`` (n, L).
    """

    vectors: Tensor
    codes: Tensor
    groups: Tensor
    places: Tensor
    weights: Tensor

    def sums(self, scores: Tensor) -> SummedScores:
        """Return for each query the weighted sum of its rows' scores (U, m), not yet added up."""
        return SummedScores(scores, self.places, self.weights)

    def sum_of(self, scores: Tensor) -> Tensor:
        """Return for each query the weighted sum of its rows' scores, (U, m) -> (n, m)."""
        return self.sums(scores).dense()


def code_rows(encoder: Encoder, assigned: Assigned, given: Tensor) -> Rows:
    """Return each code of a batch once: gradients reach codewords and weights.

    Queries that share a code share its score and add up their gradients, which is exact.
    """
    return rows_of(encoder, *encoder.numbered(assigned, given))


def rows_of(encoder: Encoder, codes: Tensor, weights: Tensor) -> Rows:
    """Return each code of a batch once; ``codes`` int64 over all groups, ``weights``, (n, L)."""
    used, places = torch.unique(codes, return_inverse=True)
    return Rows(encoder.vectors(used), used, encoder.groups_of(used), places, weights)


def passed_rows(encoder: Encoder, assigned: Assigned, given: Tensor) -> Rows:
    """Return the codes of quantised tokens one row per query: each token gets its own gradient."""
    codes, weights = encoder.numbered(assigned, given)
    n, per_query = len(codes), assigned.codes[0].numel() if len(codes) else 0
    own = codes[:, :per_query].reshape(-1)
    used, places = torch.unique(codes[:, per_query:], return_inverse=True)
    all_codes = torch.cat((own, used))
    vectors = torch.cat((assigned.vectors.reshape(own.numel(), -1), encoder.vectors(used)))
    first = torch.arange(own.numel(), device=codes.device).view(n, per_query)
    every = torch.cat((first, places + own.numel()), dim=1)
    return Rows(vectors, all_codes, encoder.groups_of(all_codes), every, weights)


def token_rows(encoder: Encoder, tokens: Tokens) -> Rows:
    """Return the tokens before quantisation, one row each; fields' codes once."""
    vectors, given = tokens
    n, count = vectors.shape[:2]
    n_books, device = encoder.quantizer.n_books, vectors.device
    fields = given + encoder.starts[n_books:-1]
    used, places = torch.unique(fields, return_inverse=True)
    books = encoder.quantizer.books_of(torch.arange(count, device=device)).repeat(n)
    first = torch.arange(n * count, device=device).view(n, count)
    every = torch.cat((first, places + n * count), dim=1)
    none = torch.full((n * count,), -1, device=device)
    return Rows(
        torch.cat((vectors.flatten(0, 1), encoder.vectors(used))),
        torch.cat((none, used)),
        torch.cat((books, encoder.groups_of(used))),
        every,
        torch.ones(every.shape, dtype=vectors.dtype, device=device),
    )
