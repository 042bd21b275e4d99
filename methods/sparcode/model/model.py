"""The model: y(q, i) = sum over codes of w * ReLU(s(code, i) + b), trained from tokens to codes."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.interactions import Interactions
from methods.batches import Batch, Batches
from methods.encoders.item import ItemFeatures
from methods.encoders.tensors import placed
from methods.interactions.choice import make_interaction
from methods.interactions.interaction import Sides, take
from methods.negatives import Negatives
from methods.products import ProductScores
from methods.sparcode.index.cut import CutRules
from methods.sparcode.index.scorer import SidesScorer
from methods.sparcode.model.encoder import Encoder, Tokens
from methods.sparcode.model.final_lists import FinalLists
from methods.sparcode.model.scored_rows import Rows, code_rows, passed_rows, token_rows
from methods.sparcode.model.settings import ModelSettings
from methods.sparcode.model.sparsity import quantile_bias
from methods.sparcode.model.towers import Towers
from methods.sparcode.model.upkeep import fit_codebooks, restart_dead
from methods.summed_softmax import SummedScores
from methods.training import RankingModel, TrainingParams, loss_of_scores

QUANTILE_SAMPLE = 1 << 22  # scores per group that the bias is set by, about
BIAS_SCORES = 1 << 25  # scores held at once while biases of final lists are found


class SparCodeModel(RankingModel):
    """Encoder, interaction and the bias that makes the scores of codes sparse.

    Training has phases, none of which the paper's known parts prescribe. *Warm-up*: tokens are not
    quantised and scores add up without a ReLU, so that no gradient is cut off before the scores
    mean something. *Annealing*: k-means sets the codebooks, the biases b leave a share ``density``
    of (code, item) pairs positive, and what lies below zero counts with a slope that is halved each
    epoch. *Codes*: the slope is 0, and the trained score is the served one. *Finish* (by option,
    the last epochs): when an epoch begins lists are made as the index makes them, by all its rules,
    for the codes that recent queries use. What is not stored scores zero from there on, in training
    and in serving: the index holds a posting only if it was stored when the epoch began whose
    weights are served, and if its score is still positive then. See `FinalLists`.

    A *learned* b, one per group of codes, is set when annealing starts and a parameter from there
    on: nothing keeps the density. A *quantile* b is a function of the code, see `quantile_bias`, so
    that the density holds by definition: in a step it is taken over the uniform negatives, in
    `all_scores` and in serving over the catalogue. It must not count as constant: training would
    then raise the scores of all items without end, to no effect.

    The unquantised score, the plain sum of s(token, i), stays part of the loss with a weight, for
    it is what candidates are scored again by. With ``towers`` so do the scores of `Towers`.
    """

    slope: Tensor
    quantised: Tensor
    restarts: Tensor

    def __init__(self, train: Interactions, settings: ModelSettings, device: str) -> None:
        """Take sizes and fields from a training log.

        Raises
        ------
        MethodError
            The encoder reads histories in order, and the log has none.
        """
        super().__init__()
        settings.encoder.check_order(train)
        self.settings, one = settings, settings
        self.items = ItemFeatures(train, one.dim, device, init_std=one.encoder.init_std)
        self.encoder = Encoder(train.query_schema, one, device)
        self.interaction = make_interaction(one.interaction, one.dim, self.items.width, one.hidden)
        is_learned = one.bias == "learned"  # a quantile is no parameter: these then stay zeros
        self.bias = nn.Parameter(torch.zeros(self.encoder.n_groups), requires_grad=is_learned)
        self.register_buffer("slope", torch.ones(()))
        self.register_buffer("quantised", torch.zeros((), dtype=torch.bool))
        self.stored = FinalLists()
        self.towers = Towers(train, one, device) if one.towers else None
        self.register_buffer("restarts", torch.zeros((), dtype=torch.int64))
        self._all = torch.arange(train.n_items, device=device)
        self._known: tuple[bool, float] | None = None
        self.to(device)

    @property
    def phase(self) -> tuple[bool, float]:
        """Return whether tokens are quantised, and the slope; read off the device once a phase."""
        if self._known is None:
            self._known = bool(self.quantised), float(self.slope)
        return self._known

    def load_state_dict(self, *given: Any, **named: Any) -> Any:
        """Take weights and phase; see `torch.nn.Module`."""
        self._known = None
        return super().load_state_dict(*given, **named)

    def draw_batches(
        self, train: Interactions, params: TrainingParams, random: np.random.Generator
    ) -> Batches:
        """See `RankingModel`; sequences where the encoder reads them."""
        return self.settings.encoder.draw_batches(train, params, random)

    def tokens(self, batch: Batch) -> Tokens:
        """Return the tokens of a batch, before quantisation."""
        inputs = self.encoder.query.inputs(batch.history, batch.fields, batch.positions)
        return self.encoder.tokens(inputs, self.items.history_table())

    def item_sides(self) -> Sides:
        """Return what all items bring to the interaction."""
        return self.interaction.of_items(self.items(self._all))

    @property
    def is_warming_up(self) -> bool:
        """See `RankingModel`: until the score is the one that will be served, it does not count."""
        if self.settings.finish_from >= 0 and not self.stored:
            return True
        is_quantised, slope = self.phase
        return not is_quantised or slope > 0

    def begin_epoch(self, epoch: int, recent: list[Batch]) -> None:
        """Make codebooks and biases once the warm-up is over; then mend, and lower the slope."""
        phase = epoch - self.settings.warm_up
        if phase < 0 or not recent:
            return
        self.slope.fill_(0.5 ** (phase + 1) if phase < self.settings.anneal else 0.0)
        self._known = None
        with torch.no_grad():
            self.eval()
            tokens = [self.tokens(one) for one in recent]
            vectors = torch.cat([one.quantisable for one in tokens])
            if not self.phase[0]:
                fit_codebooks(self.encoder.quantizer, vectors, len(recent))
                self.quantised.fill_(True)
                self._known = None
                if self.settings.bias == "learned":
                    self._set_bias(Tokens(vectors, torch.cat([one.given for one in tokens])))
            else:
                self.restarts += restart_dead(self.encoder.quantizer, vectors)
            if 0 <= self.settings.finish_from <= epoch:
                self._store_lists(tokens)
            self.train()

    def batch_scores(
        self, batch: Batch, negatives: Negatives
    ) -> tuple[Tensor, SummedScores | ProductScores, Tensor]:
        """See `RankingModel`; added are the losses of commitment, unquantised score and towers."""
        device = self._all.device
        targets, others = placed(batch.targets, device), placed(negatives.items, device)
        both = self.interaction.of_items(self.items(torch.cat((targets, others))))
        n = len(targets)
        target_sides, other_sides = take(both, slice(0, n)), take(both, slice(n, None))
        tokens = self.tokens(batch)
        rows = token_rows(self.encoder, tokens)
        beside = tokens.quantisable.new_zeros(())
        if self.towers is not None:
            beside = loss_of_scores(
                self.ranking_loss, *self.towers.batch_scores(batch, negatives), negatives
            )
        if not self.phase[0]:
            own, negative = self._scores(rows, target_sides, other_sides)
            return own, negative, beside
        extra = beside
        if self.settings.unquantised_weight > 0:
            own, negative = self._scores(rows, target_sides, other_sides)
            plain = loss_of_scores(self.ranking_loss, own, negative, negatives)
            extra = extra + self.settings.unquantised_weight * plain
        assigned = self.encoder.assign(tokens)
        if self.settings.codebooks == "averages" or self.settings.gradient != "weights":
            extra = extra + self.settings.commitment * assigned.commitment
        make = code_rows if self.settings.gradient == "weights" else passed_rows
        rows = make(self.encoder, assigned, tokens.given)
        uniform = negatives.n_uniform
        own, negative = self._sparse_scores(
            rows, target_sides, other_sides, targets, others, uniform
        )
        return own, negative, extra

    def all_scores(self, batch: Batch) -> Tensor:
        """See `RankingModel`; of codes once there are codes, else of tokens."""
        tokens, items = self.tokens(batch), self.item_sides()
        if not self.phase[0]:
            return self.unquantised_scores(tokens, items)
        return self.quantised_scores(tokens, items)

    def unquantised_scores(self, tokens: Tokens, items: Sides) -> Tensor:
        """Return the sum of s(token, i), (n, n_items)."""
        rows = token_rows(self.encoder, tokens)
        return rows.sum_of(self.interaction.pairs(self.interaction.of_tokens(rows.vectors), items))

    def quantised_scores(self, tokens: Tokens, items: Sides) -> Tensor:
        """Return the weighted sum of ReLU(s(code, i) + b), (n, n_items), of what is stored."""
        rows = code_rows(self.encoder, self.encoder.assign(tokens), tokens.given)
        scores = self.interaction.pairs(self.interaction.of_tokens(rows.vectors), items)
        scores = self._activate(scores + self._bias_of(rows, scores)[:, None])
        if self.stored:
            scores = scores * self.stored.of_codes(rows.codes)
        return rows.sum_of(scores)

    def epoch_facts(self) -> dict[str, float]:
        """See `RankingModel`: the health of codebooks, and the biases' mean."""
        if not self.phase[0]:
            return {}
        in_use, perplexity = self.encoder.quantizer.health()
        return {
            "codewords_in_use": in_use,
            "codeword_perplexity": perplexity,
            "restarts": float(self.restarts),
            "bias": float(self.bias.detach().mean()),
            "slope": self.phase[1],
        }

    def _scores(
        self, rows: Rows, targets: Sides, others: Sides
    ) -> tuple[Tensor, SummedScores | ProductScores]:
        """Return the plain sums for each query's own target (n,) and the negatives (n, m)."""
        if self.interaction.is_product:  # the sum of scores is the score of the sum
            sums = self.interaction.of_tokens(rows.sum_of(rows.vectors))
            return self.interaction.own(sums, targets), ProductScores(sums[0], others[0])
        sides = self.interaction.of_tokens(rows.vectors)
        own = self._own(sides, rows, targets)
        return (own * rows.weights).sum(1), rows.sums(self.interaction.pairs(sides, others))

    def _sparse_scores(
        self,
        rows: Rows,
        target_sides: Sides,
        other_sides: Sides,
        targets: Tensor,
        others: Tensor,
        n_uniform: int,
    ) -> tuple[Tensor, SummedScores]:
        sides = self.interaction.of_tokens(rows.vectors)
        scores = self.interaction.pairs(sides, other_sides)
        bias = self._bias_of(rows, scores[:, :n_uniform])
        scores = self._activate(scores + bias[:, None])
        own = self._activate(self._own(sides, rows, target_sides) + bias[rows.places])
        if self.stored:
            scores = scores * self.stored.of_pairs(rows.codes[:, None], others)
            own = own * self.stored.of_pairs(rows.codes[rows.places], targets[:, None])
        return (own * rows.weights).sum(1), rows.sums(scores)

    def _own(self, sides: Sides, rows: Rows, targets: Sides) -> Tensor:
        """Return the score of each of a query's rows with its own target, (n, L)."""
        n, length = rows.places.shape
        items = tuple(one.repeat_interleave(length, dim=0) for one in targets)
        return self.interaction.own(take(sides, rows.places.reshape(-1)), items).view(n, length)

    def _bias_of(self, rows: Rows, scores: Tensor) -> Tensor:
        """Return b of each row (U,), whose scores with all items or a fair sample are (U, m)."""
        if self.settings.bias == "learned":
            return self.bias[rows.groups]
        return quantile_bias(scores, self.settings.density)

    def _activate(self, scores: Tensor) -> Tensor:
        """Return ReLU(scores), below zero with the slope of the phase."""
        return functional.leaky_relu(scores, self.phase[1])

    def _set_bias(self, tokens: Tokens) -> None:
        """Set b so that a share ``density`` of each group's scores is positive, by its codes' use.

        Codes count as often as queries have them.
        """
        few = torch.randperm(len(tokens.given), device=self._all.device)[:1024]
        some = Tokens(tokens.quantisable[few], tokens.given[few])
        rows = code_rows(self.encoder, self.encoder.assign(some), some.given)
        items = self.item_sides()
        sides = self.interaction.of_tokens(rows.vectors)
        for group in range(self.encoder.n_groups):
            own = torch.nonzero(rows.groups == group).squeeze(1)
            most = max(1, QUANTILE_SAMPLE // len(self._all))
            own = own[torch.randperm(len(own), device=own.device)[:most]]
            if len(own) == 0:
                continue
            scores = self.interaction.pairs(take(sides, own), items).flatten()
            kth = min(len(scores), max(1, round((1 - self.settings.density) * len(scores))))
            self.bias[group] = -scores.kthvalue(kth).values

    def _store_lists(self, tokens: list[Tokens]) -> None:
        """Mark the postings that an index made now would hold for the codes of these queries."""
        numbered = [self.encoder.numbered(self.encoder.assign(one), one.given)[0] for one in tokens]
        codes = torch.unique(torch.cat([one.flatten() for one in numbered]))
        items, one = self.item_sides(), self.settings
        sides = self.interaction.of_tokens(self.encoder.vectors(codes))
        bias = self._bias_of_codes(codes, sides, items)
        scorer = SidesScorer(self.interaction.pairs, sides, items, bias)  # type: ignore[arg-type]
        rules = CutRules(one.top_per_code or None, one.max_per_item or None, one.budget or None)
        n_codes = int(self.encoder.starts[-1])
        self.stored.mark(scorer, codes.cpu().numpy(), n_codes, rules, one.memory_budget_mb)

    def _bias_of_codes(self, codes: Tensor, sides: Sides, items: Sides) -> Tensor:
        """Return b of codes (n,); a quantile asks for all their scores, some codes at a time."""
        if self.settings.bias == "learned":
            return self.bias[self.encoder.groups_of(codes)]
        step = max(1, BIAS_SCORES // len(self._all))
        found = []
        for start in range(0, len(codes), step):
            scores = self.interaction.pairs(take(sides, slice(start, start + step)), items)
            found.append(quantile_bias(scores, self.settings.density))
        return torch.cat(found)
