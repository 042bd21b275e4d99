"""ServedModel: what a trained model leaves for serving, without its training log."""

import copy
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from harness.arrays import Array
from harness.fields import Dense, Fields, describe_fields, empty_fields
from harness.lists import IntArray, Lists
from methods.encoders.state import load_state, state_arrays
from methods.interactions.choice import make_interaction
from methods.interactions.interaction import Interaction, Sides
from methods.sparcode.model.encoder import Encoder
from methods.sparcode.model.final_lists import FinalLists
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.model.settings import ModelSettings
from methods.sparcode.serving.compiled_encoder import Coded, CompiledEncoder
from methods.sparcode.serving.dot_side import DotSide
from methods.sparcode.serving.item_scores import ItemScores
from methods.sparcode.serving.tower_side import TowerSide


class ServedModel:
    """Encoder, interaction and what all items bring to it.

    What encodes queries decides their codes wherever they are asked for: in a search, a score, the
    count of codes in use. On the CPU it is a `CompiledEncoder`, in float32 with additions in a
    fixed order, where the history's vector is a mean. On a device, and of any other encoder, torch
    encodes in float64: its rounding differs between one query and many, and in float32 would now
    and then send the same query to another code. The two agree but for codes at nearly equal
    distances. Scores are float32.

    Attributes
    ----------
    scores : what scores items exhaustively, or anew.
    dot : the inner product beside the interaction, by which candidates may be scored again.
    towers : the two towers that were trained beside, or None.
    stored : the postings that training ended with, or None.
    """

    def __init__(
        self,
        schema: Fields | None,
        encoder: Encoder,
        interaction: Interaction,
        item_table: Tensor,
        item_sides: Sides,
        bias: Tensor,
        device: str,
        towers: TowerSide | None = None,
        stored: FinalLists | None = None,
    ) -> None:
        """Keep the parts, on ``device``; ``item_table`` (n_items, dim) is what histories add up."""
        self.schema, self.encoder, self.interaction = schema, encoder, interaction
        self.item_sides, self.bias = item_sides, bias
        self.stored = stored
        self.scores = ItemScores(encoder, interaction, item_sides, bias, stored)
        self.dot = DotSide(encoder, interaction, item_sides)
        self.towers = towers
        self._compiled: CompiledEncoder | None = None
        if device == "cpu" and encoder.query.is_mean:
            self._compiled = CompiledEncoder(encoder, schema, item_table)
            self.item_table = torch.from_numpy(self._compiled.table)
        else:
            self.encoder, self.item_table = encoder.double(), item_table.double()

    @classmethod
    def of(cls, model: SparCodeModel, schema: Fields | None, device: str) -> Self:
        """Copy what serves out of a trained model."""
        encoder = copy.deepcopy(model.encoder)
        encoder.quantizer.retire_duplicates()
        with torch.inference_mode():
            table, sides = model.items.history_table(), model.item_sides()
        return cls(
            schema,
            encoder.eval(),
            copy.deepcopy(model.interaction).eval(),
            table.detach(),
            tuple(one.detach().float().contiguous() for one in sides),
            model.bias.detach().clone(),
            device,
            None if model.towers is None else TowerSide.of(model.towers, schema, device),
            copy.deepcopy(model.stored) if model.stored else None,
        )

    @classmethod
    def of_arrays(
        cls,
        arrays: Mapping[str, Array],
        facts: Mapping[str, Any],
        settings: ModelSettings,
        device: str,
    ) -> Self:
        """Return the model that `arrays` and `facts` came from, for the same settings."""
        schema = empty_fields(facts["fields"])
        encoder = Encoder(schema, settings, device)
        load_state(encoder, "encoder", arrays, device)
        width = int(facts["item_width"])
        interaction = make_interaction(settings.interaction, settings.dim, width, settings.hidden)
        load_state(interaction, "interaction", arrays, device)
        sides = tuple(
            torch.from_numpy(arrays[f"item_side.{place}"]).to(device, copy=True)
            for place in range(int(facts["item_sides"]))
        )
        stored = None
        if "stored.rows" in arrays:
            stored = FinalLists.of_arrays(arrays, len(arrays["item_table"]), device)
        return cls(
            schema,
            encoder.to(device),
            interaction.to(device),
            torch.from_numpy(arrays["item_table"]).to(device),
            sides,
            torch.from_numpy(arrays["bias"]).to(device, copy=True),
            device,
            TowerSide.of_arrays(arrays, schema, settings, device) if settings.towers else None,
            stored,
        )

    def arrays(self) -> dict[str, Array]:
        """Return all that is saved, by name, in float32: float64 is only computed in."""
        return {
            "item_table": self.item_table.float().cpu().numpy(),
            "bias": self.bias.cpu().numpy(),
            **state_arrays(copy.deepcopy(self.encoder).float(), "encoder"),
            **state_arrays(self.interaction, "interaction"),
            **{f"item_side.{at}": one.cpu().numpy() for at, one in enumerate(self.item_sides)},
            **({} if self.towers is None else self.towers.arrays()),
            **({} if self.stored is None else self.stored.arrays()),
        }

    def facts(self, item_width: int) -> dict[str, Any]:
        """Return what is saved beside the arrays."""
        fields = describe_fields(self.schema)
        return {"fields": fields, "item_width": item_width, "item_sides": len(self.item_sides)}

    @property
    def n_items(self) -> int:
        """Return the size of the catalogue."""
        return len(self.item_table)

    @property
    def n_codes(self) -> int:
        """Return the number of all codes, of codebooks and fields."""
        return int(self.encoder.starts[-1])

    @property
    def retired_codes(self) -> IntArray:
        """Return the codes that are out of reach, int64 ascending: codewords that repeat others."""
        return np.flatnonzero(self.encoder.quantizer.retired)

    @property
    def encoder_bytes(self) -> int:
        """Return the bytes of what encodes a query."""
        if self._compiled is not None:
            return self._compiled.nbytes
        parts = [self.item_table, *self.encoder.parameters(), *self.encoder.buffers()]
        return sum(one.nbytes for one in parts)

    @property
    def scorer_bytes(self) -> int:
        """Return the bytes of what scores items exhaustively, or anew."""
        parts = [self.bias, *self.item_sides, *self.interaction.parameters()]
        parts += [] if self.stored is None else self.stored.buffers()
        if self._compiled is not None:  # what encodes has its own; these give codes' vectors
            parts += [*self.encoder.parameters(), *self.encoder.buffers()]
        return sum(one.nbytes for one in parts)

    def encode(self, history: Lists, fields: Fields | None, limit: int) -> Coded:
        """Return tokens, codes over all groups and their weights.

        Of each history the last ``limit`` items count.

        Raises
        ------
        ValueError
            A dense field has a value that is not finite, from which no code follows; or what
            `CompiledEncoder.encode` refuses.
        """
        _refuse_not_finite(fields)
        if self._compiled is not None:
            return self._compiled.encode(history, fields, limit)
        with torch.inference_mode():
            inputs = self.encoder.query.inputs(history.tail(limit), fields)
            tokens = self.encoder.tokens(inputs, self.item_table)
            codes, weights = self.encoder.numbered(self.encoder.assign(tokens), tokens.given)
            return Coded(codes.cpu().numpy(), weights.float().cpu().numpy(), *tokens)


def _refuse_not_finite(fields: Fields | None) -> None:
    """Say which query has a dense field whose values are not finite."""
    for name, column in ({} if fields is None else fields.columns).items():
        if isinstance(column, Dense) and not np.isfinite(column.values).all():
            row, place = (int(one) for one in np.argwhere(~np.isfinite(column.values))[0])
            raise ValueError(
                f"query {row}: field {name!r} is {column.values[row, place]} at place {place}, "
                "expected finite values"
            )
