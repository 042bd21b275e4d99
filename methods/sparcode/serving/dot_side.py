"""DotSide: the vectors of queries and items in the inner product beside an interaction."""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from harness.errors import MethodError
from harness.lists import FloatArray
from methods.interactions.interaction import Interaction, Sides
from methods.sparcode.model.encoder import Encoder, Tokens


class DotSide:
    """What an inner product takes; it is asked for only where candidates are scored again by it."""

    def __init__(self, encoder: Encoder, interaction: Interaction, item_sides: Sides) -> None:
        """Keep the parts; vectors are computed when they are first asked for."""
        self.encoder, self.interaction, self.item_sides = encoder, interaction, item_sides

    def query_vectors(self, tokens: Tokens) -> FloatArray:
        """Return the query's vector in the interaction's inner product, float32 (n, dim).

        It is P (sum of the query's tokens): the inner product is linear in the token.

        Raises
        ------
        MethodError
            The interaction has no inner product beside it.
        """
        projection, fields = self._query
        total = tokens.quantisable.float().cpu().numpy().sum(axis=1)
        if tokens.given.shape[1]:
            first = self.encoder.quantizer.n_books
            codes = (
                tokens.given + (self.encoder.starts[first:-1] - self.encoder.starts[first])
            ).cpu()
            total += fields[codes.numpy()].sum(axis=1)
        return np.asarray(total @ projection)

    @cached_property
    def _query(self) -> tuple[FloatArray, FloatArray]:
        """Return P transposed, float32 (D, dim), and the tokens of all fields' codes, (F, D)."""
        encoder = self.encoder
        with torch.inference_mode():
            unit = torch.eye(encoder.tokenizer.dim, device=self.item_sides[0].device)
            projection = self._side(self.interaction.of_tokens(unit))
            codes = torch.arange(
                int(encoder.starts[encoder.quantizer.n_books]), int(encoder.starts[-1])
            )
            fields = encoder.vectors(codes.to(unit.device)).float()
            return projection.cpu().numpy(), fields.cpu().numpy()

    @cached_property
    def items(self) -> FloatArray:
        """Return the items' vectors, float32 (n_items, dim); raises as `query_vectors` does."""
        with torch.inference_mode():
            return self._side(self.item_sides).contiguous().cpu().numpy()

    def _side(self, side: Sides) -> Tensor:
        found = self.interaction.dot_side(side)
        if found is None:
            raise MethodError(
                f"rescore = 'dot' needs an inner product beside the interaction, and "
                f"{type(self.interaction).__name__} has none: use rescore = 'full'"
            )
        return found
