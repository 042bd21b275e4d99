"""ItemScores: a query's score with every item, or with candidates, of its codes or its tokens."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from harness.lists import FloatArray, IntArray
from methods.interactions.interaction import Interaction, Sides, take
from methods.interactions.mlp import MLP
from methods.sparcode.index.bounds import alike_order, bounds_of
from methods.sparcode.index.scorer import SidesScorer
from methods.sparcode.model.encoder import Encoder, Tokens
from methods.sparcode.model.final_lists import FinalLists
from methods.sparcode.model.scored_rows import rows_of, token_rows
from methods.sparcode.model.sparsity import quantile_bias
from methods.sparcode.serving.compiled_encoder import Coded

BIAS_BYTES = 1 << 26  # held at once while biases are found
CANDIDATES_AT_ONCE = 1 << 15  # pairs of query and candidate
SCORED_AT_ONCE = 64  # queries whose codes are scored with every item at a time


class ItemScores:
    """The interaction and all that items bring to it: scores before any list is cut, in float32."""

    def __init__(
        self,
        encoder: Encoder,
        interaction: Interaction,
        item_sides: Sides,
        bias: Tensor,
        stored: FinalLists | None = None,
    ) -> None:
        """Keep the parts where they lie; ``encoder`` gives the vectors of codes.

        ``stored`` marks the postings that training ended with, if it ended with lists: what is not
        marked adds nothing to the trained score.
        """
        self.encoder, self.interaction = encoder, interaction
        self.item_sides, self.bias, self.stored = item_sides, bias, stored

    def scorer_of(self, codes: IntArray, *, bounded: bool = False) -> SidesScorer:
        """Return what scores codes (n,) with every item, b included.

        A bounded one has its items in `alike_order`, and upper bounds of their blocks.

        Raises
        ------
        MethodError
            Bounds are asked of an interaction that has none.
        """
        with torch.inference_mode():
            at = torch.from_numpy(codes).to(self.bias.device)
            sides = self.interaction.of_tokens(self.encoder.vectors(at).float())
            bias = self._bias_of_codes(at, sides)
            items, ids, bounds = self.item_sides, None, None
            if bounded:
                order = alike_order(torch.cat(items, dim=1))
                items, ids = take(items, order), order.cpu().numpy().astype(np.int32)
                bounds = bounds_of(self.interaction, sides, items, bias)
        held = pair_bytes(self.interaction, self.bias.device.type)
        return SidesScorer(  # the interaction takes tuples, and is given some
            self.interaction.pairs,  # type: ignore[arg-type]
            sides,
            items,
            bias,
            item_ids=ids,
            pair_bytes=held,
            make_bounds=bounds,
        )

    def quantised(self, coded: Coded) -> FloatArray:
        """Return the weighted sum of ReLU(s(code, i) + b) of what is stored, (n, n_items)."""
        return self._in_blocks(coded, self._quantised_of)

    def unquantised(self, coded: Coded) -> FloatArray:
        """Return the plain sum of s(token, i), float32 (n, n_items)."""
        return self._in_blocks(coded, self._unquantised_of)

    def of_candidates(self, tokens: Tokens, candidates: Tensor) -> Tensor:
        """Return the unquantised scores of each query's own candidates, (n, R); ids may be -1.

        Candidates are scored `CANDIDATES_AT_ONCE` at a time, those of a query together.
        """
        out = torch.zeros(candidates.shape, device=candidates.device)
        step = max(1, CANDIDATES_AT_ONCE // max(candidates.shape[1], 1))
        with torch.inference_mode():
            for start in range(0, len(out), step):
                block = slice(start, start + step)
                out[block] = self._of_candidates(
                    Tokens(*(one[block] for one in tokens)), candidates[block]
                )
        return out

    def _of_candidates(self, tokens: Tokens, candidates: Tensor) -> Tensor:
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

    def _quantised_of(self, coded: Coded) -> Tensor:
        device = self.bias.device
        codes, weights = (torch.from_numpy(one).to(device) for one in (coded.codes, coded.weights))
        rows = rows_of(self.encoder, codes, weights)
        sides = self.interaction.of_tokens(rows.vectors.float())
        scores = self.interaction.pairs(sides, self.item_sides)
        scores = torch.relu(scores + self._bias_of(rows.groups, scores)[:, None])
        if self.stored is not None:
            scores = scores * self.stored.of_codes(rows.codes)
        return rows.sum_of(scores)

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
        step = max(1, BIAS_BYTES // (held * len(self.item_sides[0])))
        if self.encoder.quantizer.settings.bias == "learned":
            return self.bias[groups]
        found = self.bias.new_empty(len(codes))
        for start in range(0, len(codes), step):
            block = slice(start, start + step)
            scores = self.interaction.pairs(tuple(one[block] for one in sides), self.item_sides)
            found[block] = self._bias_of(groups[block], scores.float())
        return found

    def _unquantised_of(self, coded: Coded) -> Tensor:
        rows = token_rows(self.encoder, coded.tokens)
        sides = self.interaction.of_tokens(rows.vectors.float())
        return rows.sum_of(self.interaction.pairs(sides, self.item_sides))

    def _in_blocks(self, coded: Coded, scores_of: Callable[[Coded], Tensor]) -> FloatArray:
        out = np.empty((len(coded.codes), len(self.item_sides[0])), np.float32)
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
