"""Encoder: queries -> tokens -> codes, and what scores a code with every item."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from harness.arrays import Array
from harness.fields import Fields, describe_fields, empty_fields
from harness.interactions import Interactions
from harness.lists import FloatArray, IntArray, Lists
from methods.encoders.state import load_state, state_arrays
from methods.sparcode.index.build import CodeSides
from methods.sparcode.model.interaction import TokenSide
from methods.sparcode.model.model import ModelSettings, SparCodeModel
from methods.sparcode.model.quantizer import ProductQuantizer
from methods.sparcode.model.tokenizer import Tokenizer

ENCODED_AT_ONCE = 1024
MODULES = ("tokenizer", "quantizer", "side")
ARRAYS = ("item_hidden", "item_dot", "weights", "bias")


@dataclass(frozen=True, slots=True, eq=False)
class CodeEncoder:
    """What a trained model needs to serve, in float64 as far as queries and codes go.

    Rounding differs between one query and many, and would now and then send the same query to
    another code, or give a code's list another last bit than its dense scores have. In float64
    that does not happen in practice, at a cost that is not noticed.

    Attributes
    ----------
    schema : the query side's fields, without rows.
    tokenizer, quantizer, side : modules in float64; the quantiser without duplicates.
    item_table : float64 (n_items, dim), what each item brings to a history.
    item_hidden, item_dot : float32 (n_items, H), (n_items, D), see `CodeSides`.
    weights, bias : float32 (H,), (K,).
    """

    schema: Fields | None
    tokenizer: Tokenizer
    quantizer: ProductQuantizer
    side: TokenSide
    item_table: Tensor
    item_hidden: FloatArray
    item_dot: FloatArray
    weights: FloatArray
    bias: FloatArray

    @classmethod
    def of(cls, model: SparCodeModel, schema: Fields | None) -> Self:
        """Copy what serves out of a trained model."""
        with torch.inference_mode():
            hidden, dot = model.interaction.sides_of_items(model.catalogue())
        quantizer = copy.deepcopy(model.quantizer).double()
        quantizer.retire_duplicates()
        return cls(
            schema,
            copy.deepcopy(model.tokenizer).double(),
            quantizer,
            TokenSide.of(model.interaction).double(),
            model.items.history_table().detach().double(),
            hidden.cpu().numpy(),
            dot.cpu().numpy(),
            model.interaction.weights.detach().cpu().numpy(),
            model.bias.detach().cpu().numpy(),
        )

    @classmethod
    def of_arrays(
        cls,
        arrays: Mapping[str, Array],
        described: list[dict[str, Any]],
        settings: ModelSettings,
        device: str,
    ) -> Self:
        """Return the encoder that `arrays` and `facts` came from, for the same settings."""
        one, schema = settings, empty_fields(described)
        tokenizer = Tokenizer(schema, one.dim, one.n_heads, one.hidden, one.field_tokens, device)
        quantizer = ProductQuantizer(
            tokenizer.n_tokens, one.dim, one.n_parts, one.n_codewords, one.decay
        )
        side = TokenSide(one.dim, one.hidden)
        for name, module in zip(MODULES, (tokenizer, quantizer, side), strict=True):
            load_state(module, name, arrays, device)
        table = torch.from_numpy(arrays["item_table"]).to(device, copy=True)
        return cls(schema, tokenizer, quantizer, side, table, *(arrays[name] for name in ARRAYS))

    def arrays(self) -> dict[str, Array]:
        """Return all that is saved, by name."""
        arrays: dict[str, Array] = {name: getattr(self, name) for name in ARRAYS}
        arrays["item_table"] = self.item_table.cpu().numpy()
        for name in MODULES:
            arrays |= state_arrays(getattr(self, name), name)
        return arrays

    def facts(self) -> list[dict[str, str | int]]:
        """Return what is saved beside the arrays: the fields of the query side."""
        return describe_fields(self.schema)

    @property
    def n_tokens(self) -> int:
        """Return K."""
        return self.tokenizer.n_tokens

    @property
    def n_codes(self) -> int:
        """Return N^M, the codes of one token."""
        return int(self.quantizer.n_codewords**self.quantizer.n_parts)

    @property
    def nbytes(self) -> int:
        """Return the bytes of everything here."""
        tensors = [self.quantizer.codebooks, self.item_table]
        tensors += [*self.tokenizer.parameters(), *self.side.parameters()]
        arrays = (self.item_hidden, self.item_dot, self.weights, self.bias)
        return sum(one.nbytes for one in tensors) + sum(one.nbytes for one in arrays)

    def tokens(self, history: Lists, fields: Fields | None) -> Tensor:
        """Return the tokens before quantisation, (n, K, dim)."""
        with torch.inference_mode():
            tokens: Tensor = self.tokenizer(history, fields, self.item_table)
            return tokens

    def codes(self, tokens: Tensor) -> IntArray:
        """Return the composite code of each token, int64 (n, K)."""
        with torch.inference_mode():
            codes = self.quantizer.nearest(self.quantizer.split(tokens))
            return np.asarray(self.quantizer.composite(codes).cpu().numpy())

    def sides_of_codes(self, codes: IntArray) -> CodeSides:
        """Return what the interaction needs to score composite codes with every item."""
        return self.sides_of(self._vectors_of(codes), codes // self.n_codes)

    def sides_of(self, vectors: Tensor, tokens: IntArray) -> CodeSides:
        """Return what the interaction needs to score vectors (n, dim) of tokens (n,)."""
        with torch.inference_mode():
            hidden, dot = self.side(vectors)
        return CodeSides(
            hidden.float().cpu().numpy(),
            dot.float().cpu().numpy(),
            self.item_hidden,
            self.item_dot,
            self.weights,
            self.bias[tokens],
        )

    def _vectors_of(self, codes: IntArray) -> Tensor:
        """Return the token vectors that composite codes stand for, (n, dim)."""
        quantizer = self.quantizer
        token, rest = np.divmod(codes, self.n_codes)
        digits = []
        for _ in range(quantizer.n_parts):
            rest, digit = np.divmod(rest, quantizer.n_codewords)
            digits.append(digit)
        with torch.inference_mode():
            at = torch.from_numpy(token)
            parts = [
                quantizer.codebooks[at, part, torch.from_numpy(digit)]
                for part, digit in enumerate(reversed(digits))
            ]
            return torch.cat(parts, dim=1)


def codes_of_log(encoder: CodeEncoder, log: Interactions, max_history: int) -> IntArray:
    """Return the codes of all training queries, one after another, int64 (n_queries * K,)."""
    parts = []
    if log.event_fields is None:  # a query per user
        users, first = np.flatnonzero(log.events.lengths), log.events.indptr
        events = first[users]
    else:  # a query per event: the context is part of it
        users, events = log.user_ids, np.arange(log.n_events)
    for start in range(0, len(users), ENCODED_AT_ONCE):
        rows = slice(start, start + ENCODED_AT_ONCE)
        history = log.events.take(users[rows])
        if log.ordered:
            history = history.tail(max_history)
        tokens = encoder.tokens(history, log.query_fields(events[rows]))
        parts.append(encoder.codes(tokens).ravel())
    return np.concatenate(parts)
