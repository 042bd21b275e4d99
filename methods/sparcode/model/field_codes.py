"""Field codes: tokens of categorical fields, whose values are codes already."""

import itertools

import torch
from torch import Tensor, nn

from harness.fields import Categorical, Fields
from methods.encoders.fields import FieldEmbeddings
from methods.encoders.query import mlp
from methods.encoders.tensors import Columns
from methods.sparcode.model.settings import FieldTokens

MOST_CODES = 1 << 16  # of a pair of fields: larger pairs are left out


class FieldCodes(nn.Module):
    """A token per categorical field, and by option per pair of them; its code is the value.

    A field's vector is the row of its embedding, which the query's features share; a pair's is the
    sum of both rows and a perceptron of the two. Nothing is lost to quantisation. Ours: the paper
    quantises every token.

    Attributes
    ----------
    n_left_out : pairs that have no token, for they have more than `MOST_CODES` combinations.
    """

    def __init__(
        self, schema: Fields | None, which: FieldTokens, embeddings: FieldEmbeddings, dim: int
    ) -> None:
        """Take the categorical columns of ``schema``; ``embeddings`` are the query side's."""
        super().__init__()
        columns = {} if schema is None or which == "none" else schema.columns
        self.size_of = {
            name: one.size for name, one in columns.items() if isinstance(one, Categorical)
        }
        names, size = list(self.size_of), self.size_of
        self.tokens: list[tuple[str, ...]] = [(name,) for name in names]
        pairs = list(itertools.combinations(names, 2)) if which == "pairs" else []
        few = [(one, two) for one, two in pairs if size[one] * size[two] <= MOST_CODES]
        self.tokens += few
        self.n_left_out = len(pairs) - len(few)
        self._embeddings = (embeddings,)  # in a tuple: its parameters are another module's
        n_pairs = len(few)
        self.pair_mixtures = nn.ModuleList(mlp(2 * dim, dim, dim) for _ in range(n_pairs))
        self._first_pair = len(self.tokens) - n_pairs

    @property
    def sizes(self) -> list[int]:
        """Return the number of codes of each token."""
        sizes = []
        for token in self.tokens:
            size = 1
            for name in token:
                size *= self.size_of[name]
            sizes.append(size)
        return sizes

    def codes(self, columns: Columns, n: int, device: torch.device) -> Tensor:
        """Return the code of each token of n queries, int64 (n, n_tokens)."""
        found = []
        for token in self.tokens:
            code = columns[token[0]]
            assert isinstance(code, Tensor), "categorical columns are tensors"
            if len(token) == 2:
                code = code * self.size_of[token[1]] + columns[token[1]]  # type: ignore[operator]
            found.append(code)
        if not found:
            return torch.zeros((n, 0), dtype=torch.int64, device=device)
        return torch.stack(found, dim=1)

    def vectors(self, token: int, codes: Tensor) -> Tensor:
        """Return the vectors of codes (u,) of one token, (u, dim)."""
        names, embeddings = self.tokens[token], self._embeddings[0]
        if len(names) == 1:
            return embeddings.rows(names[0], codes)
        size = self.size_of[names[1]]
        first = embeddings.rows(names[0], codes // size)
        second = embeddings.rows(names[1], codes % size)
        mixture = self.pair_mixtures[token - self._first_pair]
        mixed: Tensor = mixture(torch.cat((first, second), dim=1))
        return first + second + mixed
