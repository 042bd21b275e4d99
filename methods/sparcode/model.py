"""The model: y(q, i) = sum_k ReLU(s(T_k(q), i) + b), trained from tokens to codes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from harness.fields import Fields
from harness.interactions import Interactions
from harness.lists import Lists
from methods.batches import Batch
from methods.encoders.item import ItemFeatures
from methods.negatives import Negatives
from methods.sparcode.interaction import MLPInteraction
from methods.sparcode.quantizer import ProductQuantizer
from methods.sparcode.tokenizer import Tokenizer
from methods.training import RankingModel

QUANTILE_SAMPLE = 1 << 14  # scores that the bias is set by, at most
BIAS_STEP = 0.1  # share of the way to the wanted bias that each step goes


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Size and schedule; the words are those of `methods.sparcode.retriever.SparCodeParams`."""

    dim: int
    n_heads: int
    field_tokens: bool
    hidden: int
    n_parts: int
    n_codewords: int
    decay: float
    commitment: float
    density: float
    warm_up: int


class SparCodeModel(RankingModel):
    """Tokenizer, quantiser, interaction and the bias that makes the scores sparse.

    The bias b is no parameter: it follows the quantile of scores that leaves a wanted share of
    (token, item) pairs positive. That share falls from 1 to ``density`` over the warm-up, during
    which tokens are not quantised, so that no gradient is cut off by the ReLU before the scores
    mean something. Then k-means sets the codebooks, and training goes on with codes. Sign and
    schedule of b are ours; the paper's are not known.
    """

    bias: Tensor
    quantised: Tensor

    def __init__(self, train: Interactions, settings: ModelSettings, device: str) -> None:
        """Take sizes and fields from a training log."""
        super().__init__()
        one = settings
        self.settings = settings
        self.items = ItemFeatures(train, one.dim, device)
        self.tokenizer = Tokenizer(
            train, one.dim, one.n_heads, one.hidden, one.field_tokens, device
        )
        self.quantizer = ProductQuantizer(
            self.tokenizer.n_tokens, one.dim, one.n_parts, one.n_codewords, one.decay
        )
        self.interaction = MLPInteraction(one.dim, self.items.width, one.hidden)
        self.register_buffer("bias", torch.zeros(()))
        self.register_buffer("quantised", torch.zeros((), dtype=torch.bool))
        self._all = torch.arange(train.n_items, device=device)
        self._wanted_density = 1.0
        self._steps = 0
        self.n_restarts = 0
        self.to(device)

    def tokens(self, history: Lists, fields: Fields | None) -> Tensor:
        """Return the tokens before quantisation, (n, K, dim)."""
        tokens: Tensor = self.tokenizer(history, fields, self.items.ids.weight)
        return tokens

    def catalogue(self) -> Tensor:
        """Return the features of all items, (n_items, width)."""
        features: Tensor = self.items(self._all)
        return features

    @property
    def is_warming_up(self) -> bool:
        """See `RankingModel`: until there are codes, the score is not the served one."""
        return not bool(self.quantised)

    def begin_epoch(self, epoch: int, recent: list[Batch]) -> None:
        """Lower the wanted density; after the warm-up, make or mend the codebooks."""
        warm_up = self.settings.warm_up
        reached = min((epoch + 1) / max(warm_up, 1), 1.0)
        self._wanted_density = 1 + (self.settings.density - 1) * reached
        if epoch < warm_up or not recent:
            return
        with torch.no_grad():
            tokens = torch.cat([self.tokens(one.history, one.fields) for one in recent])
            if self.is_warming_up:
                self.quantizer.fit_codebooks(tokens)
                self.quantised.fill_(True)
            else:
                self.n_restarts += self.quantizer.restart_dead(tokens)

    def batch_scores(self, batch: Batch, negatives: Negatives) -> tuple[Tensor, Tensor, Tensor]:
        """See `RankingModel`; what is added is the commitment loss."""
        device = self._all.device
        tokens = self.tokens(batch.history, batch.fields)
        extra = tokens.new_zeros(())
        if self.quantised:
            tokens, _, distance = self.quantizer(tokens)
            extra = self.settings.commitment * distance
        targets = self.items(torch.from_numpy(batch.targets).to(device))
        others = self.items(torch.from_numpy(negatives.items).to(device))
        scores = self.interaction.all_pairs(tokens, others)  # (n, K, m)
        self._move_bias(scores[:, :, : negatives.n_uniform].detach())
        positive = torch.relu(self.interaction.own_pairs(tokens, targets) + self.bias).sum(1)
        return positive, torch.relu(scores + self.bias).sum(1), extra

    def all_scores(self, batch: Batch) -> Tensor:
        """See `RankingModel`; of codes once there are codes, else of tokens."""
        tokens = self.tokens(batch.history, batch.fields)
        if self.quantised:
            tokens = self.quantizer(tokens).vectors
        scores = self.interaction.all_pairs(tokens, self.catalogue())
        return torch.relu(scores + self.bias).sum(1)

    def _move_bias(self, scores: Tensor) -> None:
        """Move b towards the quantile that leaves the wanted share of scores positive."""
        flat = scores.flatten()
        sample = flat[:: max(1, flat.numel() // QUANTILE_SAMPLE)]
        wanted = -torch.quantile(sample, max(0.0, 1 - self._wanted_density))
        step = 1.0 if self._steps == 0 else BIAS_STEP
        self.bias += step * (wanted - self.bias)
        self._steps += 1
