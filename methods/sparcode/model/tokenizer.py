"""Tokenizer: what is known of a query -> K token vectors."""

import torch
from torch import Tensor, nn

from harness.fields import Fields
from harness.lists import Lists
from methods.encoders.query import QueryFeatures, mlp


class Tokenizer(nn.Module):
    """K = n_heads + (one per field of the query side, if asked for) tokens of ``dim``.

    A head is an orthogonal projection of the history's mean, one of its own per head so that heads
    start out different, plus its part of a perceptron. With field tokens, a field's token is the
    field's own vector and the heads are left to the history: a head that sees fields as well would
    need a code for each of their combinations. Without, the perceptron sees the fields too.
    """

    def __init__(
        self,
        schema: Fields | None,
        dim: int,
        n_heads: int,
        hidden: int,
        field_tokens: bool,
        device: str,
    ) -> None:
        """Take names, kinds and sizes of the query side's fields; rows are not looked at."""
        super().__init__()
        self.query = QueryFeatures(schema, dim, device)
        self.n_heads, self.dim = n_heads, dim
        self.n_field_tokens = self.query.n_parts - 1 if field_tokens else 0
        self.projections = nn.Parameter(torch.empty(n_heads, dim, dim))
        for head in range(n_heads):
            nn.init.orthogonal_(self.projections[head])
        self.n_mixed = self.query.n_parts - self.n_field_tokens
        self.mixture = mlp(self.n_mixed * dim, hidden, n_heads * dim)

    @property
    def n_tokens(self) -> int:
        """Return K."""
        return self.n_heads + self.n_field_tokens

    @property
    def fields_of_tokens(self) -> list[str | None]:
        """Return for each token the field that it is the vector of; None for a head."""
        names = self.query.fields.names[: self.n_field_tokens]
        return [None] * self.n_heads + list(names)

    def forward(self, history: Lists, fields: Fields | None, item_table: Tensor) -> Tensor:
        """Return tokens, (n, K, dim); ``item_table`` is (n_items, dim)."""
        parts = self.query(history, fields, item_table)  # (n, 1 + n_fields, dim)
        projected = torch.einsum("nd,hde->nhe", parts[:, 0], self.projections)
        mixed = self.mixture(parts[:, : self.n_mixed].flatten(1)).view(-1, self.n_heads, self.dim)
        heads = projected + mixed
        return torch.cat((heads, parts[:, 1:]), dim=1) if self.n_field_tokens else heads
