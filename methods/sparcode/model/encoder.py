"""Encoder: queries -> tokens and the codes that need no quantiser; tokens -> weighted codes."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from harness.fields import Categorical, Fields
from methods.encoders.query import Inputs, QueryFeatures
from methods.sparcode.model.field_codes import FieldCodes
from methods.sparcode.model.quantizer import Assigned, Quantizer
from methods.sparcode.model.settings import ModelSettings
from methods.sparcode.model.tokenizer import Tokenizer


class Tokens(NamedTuple):
    """``quantisable`` (n, K, D), and ``given`` int64 (n, F): codes of fields, below their sizes."""

    quantisable: Tensor
    given: Tensor


class Encoder(nn.Module):
    """The query's side: all that serving runs for a query, and nothing that knows an item.

    Codes are numbered over all groups, one after another: the codebooks', N^M each, then the
    fields'. A group has one bias and a list for each of its codes.
    """

    def __init__(self, schema: Fields | None, settings: ModelSettings, device: str) -> None:
        """Take the query side's fields, without rows, and the settings."""
        super().__init__()
        columns = {} if schema is None else schema.columns
        self.query = QueryFeatures(schema, settings.dim, device, settings.encoder, settings.hidden)
        self.fields = FieldCodes(schema, settings.field_tokens, self.query.fields, settings.dim)
        own = [
            place
            for place, column in enumerate(columns.values())
            if settings.field_tokens != "none" and not isinstance(column, Categorical)
        ]
        if settings.tokenizer == "residual":
            own = []
        self.tokenizer = Tokenizer(settings, len(columns), own)
        self.quantizer = Quantizer(self.tokenizer.n_tokens, settings)
        sizes = [self.quantizer.n_codes] * self.quantizer.n_books + self.fields.sizes
        starts = torch.tensor([0, *sizes]).cumsum(0)
        self.register_buffer("starts", starts, persistent=False)  # (n_groups + 1,)
        self._shared = settings.shared_codebooks

    starts: Tensor

    @property
    def n_groups(self) -> int:
        """Return the number of codebooks and field tokens."""
        return self.starts.numel() - 1

    @property
    def n_tokens(self) -> int:
        """Return K_u, all tokens of a query."""
        return self.tokenizer.n_tokens + len(self.fields.tokens)

    def tokens(self, inputs: Inputs, item_table: Tensor) -> Tokens:
        """Return what a query's history and fields become."""
        parts = self.query.of_inputs(inputs, item_table)
        vectors = self.tokenizer(parts, inputs.history, item_table)
        given = self.fields.codes(inputs.columns, len(parts), parts.device)
        return Tokens(vectors, given)

    def assign(self, tokens: Tokens) -> Assigned:
        """Return the codes of the tokens that are quantised, numbered within their codebook."""
        assigned: Assigned = self.quantizer(tokens.quantisable)
        return assigned

    def numbered(self, assigned: Assigned, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes of each query over all groups, int64 (n, L), and weights (n, L).

        L = K * J + F: the codes of each token in turn, then the fields'.
        """
        books = self.quantizer.books_of(torch.arange(assigned.codes.shape[1], device=given.device))
        codes = (assigned.codes + self.starts[books].view(1, -1, 1)).flatten(1)
        fields = given + self.starts[self.quantizer.n_books : -1]
        weights = assigned.weights.flatten(1)
        ones = torch.ones(fields.shape, dtype=weights.dtype, device=weights.device)
        return torch.cat((codes, fields), dim=1), torch.cat((weights, ones), dim=1)

    def groups_of(self, codes: Tensor) -> Tensor:
        """Return the group of each code."""
        return torch.bucketize(codes, self.starts, right=True) - 1

    def vectors(self, codes: Tensor) -> Tensor:
        """Return the vectors of codes (u,), (u, D)."""
        groups = self.groups_of(codes)
        found = self.quantizer.codebooks.new_zeros((len(codes), self.tokenizer.dim))
        for group in torch.unique(groups).tolist():
            rows = torch.nonzero(groups == group).squeeze(1)
            local, books = codes[rows] - self.starts[group], self.quantizer.n_books
            if group < books:
                part = self.quantizer.vectors(group, local)
            else:
                part = self.fields.vectors(group - books, local)
            found = found.index_copy(0, rows, part)
        return found
