"""ServedModel: what a trained model leaves for serving, without its training log."""

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from harness.arrays import Array
from harness.errors import MethodError
from harness.fields import Dense, Fields, describe_fields, empty_fields
from harness.interactions import Interactions
from harness.lists import FloatArray, IntArray, Lists
from methods.encoders.serving import history_limit
from methods.encoders.state import load_state, state_arrays
from methods.interactions.choice import make_interaction
from methods.interactions.interaction import Interaction, Sides
from methods.interactions.mlp import MLP
from methods.sparcode.index.scorer import SidesScorer
from methods.sparcode.model.encoder import Encoder, Tokens
from methods.sparcode.model.model import SparCodeModel
from methods.sparcode.model.scored_rows import rows_of, token_rows
from methods.sparcode.model.settings import ModelSettings
from methods.sparcode.model.sparsity import quantile_bias
from methods.sparcode.serving.compiled_encoder import Coded, CompiledEncoder

ENCODED_AT_ONCE = 1024
BIAS_BYTES = 1 << 26  # held at once while biases are found
SCORED_AT_ONCE = 64  # queries whose codes are scored with every item at a time


class ServedModel:
    """Encoder, interaction and what all items bring to it.

    What encodes queries decides their codes wherever they are asked for: in a search, a score, the
    count of codes in use. On the CPU it is a `CompiledEncoder`, in float32 with additions in a
    fixed order. On a device torch encodes in float64: its rounding differs between one query and
    many, and in float32 would now and then send the same query to another code. The two agree but
    for codes at nearly equal distances. Scores are float32.
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
    ) -> None:
        """Keep the parts, on ``device``; ``item_table`` (n_items, dim) is what histories add up."""
        self.schema, self.encoder, self.interaction = schema, encoder, interaction
        self.item_sides, self.bias = item_sides, bias
        self._compiled: CompiledEncoder | None = None
        if device == "cpu":
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
        return cls(
            schema,
            encoder.to(device),
            interaction.to(device),
            torch.from_numpy(arrays["item_table"]).to(device),
            sides,
            torch.from_numpy(arrays["bias"]).to(device, copy=True),
            device,
        )

    def arrays(self) -> dict[str, Array]:
        """Return all that is saved, by name, in float32: float64 is only computed in."""
        return {
            "item_table": self.item_table.float().cpu().numpy(),
            "bias": self.bias.cpu().numpy(),
            **state_arrays(copy.deepcopy(self.encoder).float(), "encoder"),
            **state_arrays(self.interaction, "interaction"),
            **{f"item_side.{at}": one.cpu().numpy() for at, one in enumerate(self.item_sides)},
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

    def scorer_of(self, codes: IntArray) -> SidesScorer:
        """Return what scores codes (n,) with every item, b included.

        It has no upper bounds: those of `methods.sparcode.index.bounds` are for whoever makes a
        `SidesScorer`. What they skip depends on the data, and asking costs small blocks.
        """
        with torch.inference_mode():
            at = torch.from_numpy(codes).to(self.bias.device)
            sides = self.interaction.of_tokens(self.encoder.vectors(at).float())
            bias = self._bias_of_codes(at, sides)
        held = pair_bytes(self.interaction, self.bias.device.type)
        return SidesScorer(  # the interaction takes tuples, and is given some
            self.interaction.pairs,  # type: ignore[arg-type]
            sides,
            self.item_sides,
            bias,
            pair_bytes=held,
        )

    def quantised_scores(self, coded: Coded) -> FloatArray:
        """Return the weighted sum of ReLU(s(code, i) + b), float32 (n, n_items)."""
        return self._in_blocks(coded, self._quantised)

    def unquantised_scores(self, coded: Coded) -> FloatArray:
        """Return the plain sum of s(token, i), float32 (n, n_items)."""
        return self._in_blocks(coded, self._unquantised)

    def dot_vectors(self, tokens: Tokens) -> FloatArray:
        """Return the query's vector in the interaction's inner product, float32 (n, dim).

        It is P (sum of the query's tokens): the inner product is linear in the token.

        Raises
        ------
        MethodError
            The interaction has no inner product beside it.
        """
        projection, fields = self._dot_query
        total = tokens.quantisable.cpu().numpy().sum(axis=1)
        if tokens.given.shape[1]:
            first = self.encoder.quantizer.n_books
            codes = (
                tokens.given + (self.encoder.starts[first:-1] - self.encoder.starts[first])
            ).cpu()
            total += fields[codes.numpy()].sum(axis=1)
        return np.asarray(total @ projection)

    @cached_property
    def _dot_query(self) -> tuple[FloatArray, FloatArray]:
        """Return P transposed, float32 (D, dim), and the tokens of all fields' codes, (F, D)."""
        encoder = self.encoder
        with torch.inference_mode():
            unit = torch.eye(encoder.tokenizer.dim, device=self.bias.device)
            projection = self._dot_side(self.interaction.of_tokens(unit))
            codes = torch.arange(
                int(encoder.starts[encoder.quantizer.n_books]), int(encoder.starts[-1])
            )
            fields = encoder.vectors(codes.to(unit.device)).float()
            return projection.cpu().numpy(), fields.cpu().numpy()

    @cached_property
    def dot_items(self) -> FloatArray:
        """Return the items' vectors in it, float32 (n_items, dim); raises as `dot_vectors` does."""
        with torch.inference_mode():
            return self._dot_side(self.item_sides).contiguous().cpu().numpy()

    def _dot_side(self, side: Sides) -> Tensor:
        found = self.interaction.dot_side(side)
        if found is None:
            raise MethodError(
                f"rescore = 'dot' needs an inner product beside the interaction, and "
                f"{type(self.interaction).__name__} has none: use rescore = 'full'"
            )
        return found

    def full_scores(self, tokens: Tokens, candidates: Tensor) -> Tensor:
        """Return the unquantised scores of each query's own candidates, (n, R); ids may be -1."""
        with torch.inference_mode():
            rows = token_rows(self.encoder, tokens)
            sides = self.interaction.of_tokens(rows.vectors.float())
            items = candidates.clamp_min(0).flatten()
            own = tuple(one[items] for one in self.item_sides)
            total = torch.zeros(candidates.shape, device=candidates.device)
            for column in range(rows.places.shape[1]):
                at = rows.places[:, column].repeat_interleave(candidates.shape[1])
                scores = self.interaction.own(tuple(one[at] for one in sides), own)
                total += scores.view(candidates.shape)
            return total

    def _quantised(self, coded: Coded) -> Tensor:
        device = self.bias.device
        codes, weights = (torch.from_numpy(one).to(device) for one in (coded.codes, coded.weights))
        rows = rows_of(self.encoder, codes, weights)
        sides = self.interaction.of_tokens(rows.vectors.float())
        scores = self.interaction.pairs(sides, self.item_sides)
        return rows.sum_of(torch.relu(scores + self._bias_of(rows.groups, scores)[:, None]))

    def _bias_of(self, groups: Tensor, scores: Tensor) -> Tensor:
        """Return b of codes (n,) of these groups, whose scores with all items are (n, n_items)."""
        settings = self.encoder.quantizer.settings
        if settings.bias == "learned":
            return self.bias[groups]
        return quantile_bias(scores, settings.density)

    def _bias_of_codes(self, codes: Tensor, sides: Sides) -> Tensor:
        """Return b of codes (n,); a quantile asks for all their scores, some codes at a time."""
        groups = self.encoder.groups_of(codes)
        held = pair_bytes(self.interaction, self.bias.device.type)
        step = max(1, BIAS_BYTES // (held * self.n_items))
        if self.encoder.quantizer.settings.bias == "learned":
            return self.bias[groups]
        found = self.bias.new_empty(len(codes))
        for start in range(0, len(codes), step):
            block = slice(start, start + step)
            scores = self.interaction.pairs(tuple(one[block] for one in sides), self.item_sides)
            found[block] = self._bias_of(groups[block], scores.float())
        return found

    def _unquantised(self, coded: Coded) -> Tensor:
        rows = token_rows(self.encoder, coded.tokens)
        sides = self.interaction.of_tokens(rows.vectors.float())
        return rows.sum_of(self.interaction.pairs(sides, self.item_sides))

    def _in_blocks(self, coded: Coded, scores_of: Callable[[Coded], Tensor]) -> FloatArray:
        out = np.empty((len(coded.codes), self.n_items), np.float32)
        with torch.inference_mode():
            for start in range(0, len(out), SCORED_AT_ONCE):
                block = slice(start, start + SCORED_AT_ONCE)
                out[block] = scores_of(coded.rows(block)).float().cpu().numpy()
        return out


def pair_bytes(interaction: Interaction, device_type: str) -> int:
    """Return the bytes that `Interaction.pairs` takes for a pair, its score included.

    Two terms and their sum; on a device the perceptron's hidden units too, before and after ReLU.
    Interactions that work in blocks of their own size hold one more, whatever the pairs.
    """
    hidden = interaction.weights.numel() if isinstance(interaction, MLP) else 0
    return 12 + (0 if device_type == "cpu" else 8 * hidden)


def _refuse_not_finite(fields: Fields | None) -> None:
    """Say which query has a dense field whose values are not finite."""
    for name, column in ({} if fields is None else fields.columns).items():
        if isinstance(column, Dense) and not np.isfinite(column.values).all():
            row, place = (int(one) for one in np.argwhere(~np.isfinite(column.values))[0])
            raise ValueError(
                f"query {row}: field {name!r} is {column.values[row, place]} at place {place}, "
                "expected finite values"
            )


def codes_of_log(
    served: ServedModel, log: Interactions, max_history: int
) -> Iterator[tuple[IntArray, FloatArray]]:
    """Yield codes and weights of all training queries, some at a time."""
    limit = history_limit(log.ordered, max_history)
    if log.event_fields is None:  # a query per user
        users, first = np.flatnonzero(log.events.lengths), log.events.indptr
        events = first[users]
    else:  # a query per event: the context is part of it
        users, events = log.user_ids, np.arange(log.n_events)
    for start in range(0, len(users), ENCODED_AT_ONCE):
        rows = slice(start, start + ENCODED_AT_ONCE)
        history = log.events.take(users[rows])
        coded = served.encode(history, log.query_fields(events[rows]), limit)
        yield coded.codes, coded.weights
