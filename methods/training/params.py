"""Parameters of training that every learned method has."""

from dataclasses import dataclass, fields
from typing import Literal

from harness.interactions import Interactions
from methods.losses import LossName, RankingLoss
from methods.negatives import IN_BATCH, NegativesName, Sampling

# Parameters that may be 0, with bounds of their own.
BOUNDED = ("weight_decay", "popularity_exponent", "gbce_t", "ccl_margin", "n_validation")
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class TrainingParams:
    """What learned methods have in common; their parameters begin with these.

    Attributes
    ----------
    epochs : passes over the training events, at most.
    patience : epochs without a better validation score after which training stops.
    batch_size : examples of one step.
    n_negatives : shared by a batch, or of each example; the whole catalogue where shared ones reach
        it. ``in_batch`` and ``full_softmax`` do not read it.
    learning_rate : of Adam, in the first epoch; it falls linearly until the last.
    final_rate : share of the learning rate that the last epoch has.
    max_history : items of a training history, at most.
    precision : ``bfloat16`` computes the scores of a step under torch's autocast: products of
        matrices are in bfloat16. Weights, gradients of weights, the optimiser, the loss, the
        validation score and everything served stay float32. It is for GPUs: on a CPU the
        conversions cost more than the products gain, unless there are thousands of negatives.
    weight_decay : share of every weight, times the learning rate, that a step takes away (AdamW:
        Loshchilov and Hutter, ICLR 2019); 0 is Adam. A step decays every row of an embedding, also
        those that it does not use.
    loss : see `methods.losses`. ``full_softmax``: against the whole catalogue. ``sampled_softmax``:
        against negatives, log-Q corrected; where they reach the catalogue it is the full one.
        ``bce``, ``gbce``: binary cross-entropy with negatives. ``bpr``: pairs. ``ccl``: the cosine
        contrastive loss, of cosine scores alone.
    negatives : where they come from, see `methods.negatives.NegativeSampler`.
    own_negatives : each example draws its own, as in BPR, SASRec and SimpleX; memory and time go
        with batch_size * n_negatives vectors, where shared ones cost a product of matrices.
    mask_seen : the items of an example's history are no negatives of it either.
    popularity_exponent : of ``popularity`` and ``mixed``; 1 draws by the number of events.
    loss_temperature : scores are divided by it before any loss but ``ccl``; cosines need one well
        below 1 in a softmax.
    gbce_t : t of gBCE; 0 is ``bce``.
    ccl_margin, ccl_weight : m and w of ``ccl``.
    n_validation : validation queries that an epoch is scored by, at most, a fixed sample by lot; 0
        is all of them. See `methods.training.judge` for the score.
    """

    epochs: int = 12
    patience: int = 3
    batch_size: int = 512
    n_negatives: int = 256
    learning_rate: float = 0.005
    final_rate: float = 0.1
    max_history: int = 50
    precision: Precision = "float32"
    weight_decay: float = 0.0
    loss: LossName = "sampled_softmax"
    negatives: NegativesName = "mixed"
    own_negatives: bool = False
    mask_seen: bool = False
    popularity_exponent: float = 1.0
    loss_temperature: float = 1.0
    gbce_t: float = 0.75
    ccl_margin: float = 0.9
    ccl_weight: float = 150.0
    n_validation: int = 1000

    def check_positive(self, *but: str) -> None:
        """Raise ValueError for a number that is not above 0, those named in ``but`` aside.

        Numbers of a loss that may be 0 have their own bounds. Words and flags are not looked at.
        """
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name in (*but, *BOUNDED) or isinstance(value, str | bool):
                continue
            if not value > 0:
                raise ValueError(f"{one.name} = {value} must be above 0")
        if self.n_validation < 0:
            raise ValueError(f"n_validation = {self.n_validation} must be at least 0")
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay = {self.weight_decay} must be at least 0")
        if not self.final_rate <= 1:
            raise ValueError(f"final_rate = {self.final_rate} must be at most 1")
        self._check_loss()

    def _check_loss(self) -> None:
        if not self.popularity_exponent >= 0:
            raise ValueError(f"popularity_exponent = {self.popularity_exponent} must be at least 0")
        if not 0 <= self.gbce_t <= 1:
            raise ValueError(f"gbce_t = {self.gbce_t} must lie in 0..1")
        if not -1 <= self.ccl_margin <= 1:
            raise ValueError(f"ccl_margin = {self.ccl_margin} must lie in -1..1, as cosines do")
        if self.own_negatives and self.loss == "full_softmax":
            raise ValueError(
                "own_negatives needs a loss that samples; full_softmax takes all items"
            )
        if self.own_negatives and self.negatives in IN_BATCH:
            raise ValueError(
                f"own_negatives draws from the catalogue; negatives = {self.negatives!r} are the "
                "batch's"
            )

    def check_scores(self, method: str, *, cosine: bool = False, own: bool = True) -> None:
        """Raise ValueError for a loss or negatives that the scores of a method do not allow.

        ``cosine`` says that its scores are cosines, ``own`` that it can score each example's own
        negatives.
        """
        if self.loss == "ccl" and not cosine:
            raise ValueError(
                f"loss = 'ccl' needs scores that are cosines; those of {method} are not"
            )
        if self.own_negatives and not own:
            raise ValueError(f"own_negatives: {method} scores negatives that a batch shares, only")

    def check_log(self, log: Interactions) -> None:
        """Raise MethodError where these parameters cannot do with a log; here they do with any."""

    def ranking_loss(self, n_items: int) -> RankingLoss:
        """Return the loss."""
        return RankingLoss(
            self.loss,
            n_items,
            self.loss_temperature,
            self.gbce_t,
            self.ccl_margin,
            self.ccl_weight,
        )

    def sampling(self, n_items: int) -> Sampling:
        """Return what is drawn: of the full softmax, every item."""
        if self.loss == "full_softmax":
            return Sampling(n_items, "uniform")
        return Sampling(
            self.n_negatives, self.negatives, self.own_negatives, self.popularity_exponent
        )
