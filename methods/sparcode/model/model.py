"""The model: y(q, i) = sum_k ReLU(s(T_k(q), i) + b), trained from tokens to codes."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.fields import Fields
from harness.interactions import Interactions
from harness.lists import Lists
from methods.batches import Batch
from methods.encoders.item import ItemFeatures
from methods.negatives import Negatives
from methods.sparcode.model.distinct import distinct_tokens
from methods.sparcode.model.interaction import MLPInteraction
from methods.sparcode.model.quantizer import ProductQuantizer
from methods.sparcode.model.tokenizer import Tokenizer
from methods.training import RankingModel

QUANTILE_SAMPLE = 1 << 18  # scores per token that the bias is set by, about


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
    anneal: int


class SparCodeModel(RankingModel):
    """Tokenizer, quantiser, interaction and the bias that makes the scores sparse.

    Training has three phases, none of which the paper's known parts prescribe. *Warm-up*: tokens
    are not quantised and scores add up without a ReLU, so that no gradient is cut off before the
    scores mean something. *Annealing*: k-means sets the codebooks, the biases b (one per token)
    are set to leave a share ``density`` of (token, item) pairs positive, and what lies below zero
    counts with a slope that is halved each epoch; b is learned from here on. *Codes*:
    the slope is 0, and the trained score is the served one.
    """

    slope: Tensor
    quantised: Tensor
    n_restarts: Tensor

    def __init__(self, train: Interactions, settings: ModelSettings, device: str) -> None:
        """Take sizes and fields from a training log."""
        super().__init__()
        one = settings
        self.settings = settings
        self.items = ItemFeatures(train, one.dim, device)
        self.tokenizer = Tokenizer(
            train.query_schema, one.dim, one.n_heads, one.hidden, one.field_tokens, device
        )
        self.quantizer = ProductQuantizer(
            self.tokenizer.n_tokens, one.dim, one.n_parts, one.n_codewords, one.decay
        )
        self.interaction = MLPInteraction(one.dim, self.items.width, one.hidden)
        self.bias = nn.Parameter(torch.zeros(self.tokenizer.n_tokens))
        self.register_buffer("slope", torch.ones(()))
        self.register_buffer("quantised", torch.zeros((), dtype=torch.bool))
        self._all = torch.arange(train.n_items, device=device)
        self.register_buffer("n_restarts", torch.zeros((), dtype=torch.int64))
        self.to(device)

    def tokens(self, history: Lists, fields: Fields | None) -> Tensor:
        """Return the tokens before quantisation, (n, K, dim)."""
        tokens: Tensor = self.tokenizer(history, fields, self.items.history_table())
        return tokens

    def catalogue(self) -> Tensor:
        """Return the features of all items, (n_items, width)."""
        features: Tensor = self.items(self._all)
        return features

    @property
    def is_warming_up(self) -> bool:
        """See `RankingModel`: until there are codes and no slope, the score is not served."""
        return not bool(self.quantised) or bool(self.slope > 0)

    def begin_epoch(self, epoch: int, recent: list[Batch]) -> None:
        """Make codebooks and biases once the warm-up is over; then mend, and lower the slope."""
        phase = epoch - self.settings.warm_up
        if phase < 0 or not recent:
            return
        self.slope.fill_(0.5 ** (phase + 1) if phase < self.settings.anneal else 0.0)
        with torch.no_grad():
            tokens = torch.cat([self.tokens(one.history, one.fields) for one in recent])
            if not self.quantised:
                self.quantizer.fit_codebooks(tokens)
                self.quantised.fill_(True)
                self._set_bias(tokens)
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
        some = distinct_tokens(tokens, batch.fields, self.tokenizer.fields_of_tokens)
        scores = self.interaction.all_pairs(some.vectors[:, None], others).squeeze(1)  # (R, m)
        negative = some.sum_of(self._activate(scores + self.bias[some.owners, None]))
        own = self.interaction.own_pairs(tokens, targets)  # (n, K)
        return self._activate(own + self.bias).sum(1), negative, extra

    def all_scores(self, batch: Batch) -> Tensor:
        """See `RankingModel`; of codes once there are codes, else of tokens."""
        tokens = self.tokens(batch.history, batch.fields)
        if self.quantised:
            tokens = self.quantizer(tokens).vectors
        scores = self.interaction.all_pairs(tokens, self.catalogue())
        return self._activate(scores + self.bias[:, None]).sum(1)

    def _activate(self, scores: Tensor) -> Tensor:
        """Return ReLU(scores), below zero with the slope of the phase."""
        return functional.leaky_relu(scores, float(self.slope))

    def _set_bias(self, tokens: Tensor) -> None:
        """Set b so that a share ``density`` of each token's scores is positive; (n, K, dim)."""
        few = max(1, QUANTILE_SAMPLE // len(self._all))
        chosen = tokens[torch.randint(len(tokens), (few,), device=tokens.device)]
        scores = self.interaction.all_pairs(self.quantizer.snap(chosen), self.catalogue())
        flat = scores.transpose(0, 1).flatten(1)  # (K, few * n_items)
        kth = max(1, round((1 - self.settings.density) * flat.shape[1]))
        self.bias.copy_(-flat.kthvalue(kth, dim=1).values)
