"""Losses of learned methods: each is a mean over examples, of a target and its negatives.

All take the same four tensors; a negative that is excluded counts as if it had not been drawn.

positive : (n,), scores of the targets.
negative : (n, m), scores of the negatives.
log_expected : (m,) or (n, m), log of the expected draws of each negative; read by the softmax.
excluded : bool (n, m), True where a negative does not count: the row's target, an item it has seen,
    another target of its own sequence.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

LossName = Literal["full_softmax", "sampled_softmax", "bce", "gbce", "bpr", "ccl"]
SOFTMAX = ("full_softmax", "sampled_softmax")


@dataclass(frozen=True, slots=True)
class RankingLoss:
    """A loss by name, with its numbers; see `methods.training.TrainingParams` for them.

    The scores of every loss but ``ccl`` are divided by ``temperature`` first.
    """

    name: LossName = "sampled_softmax"
    n_items: int = 0  # read by gbce alone
    temperature: float = 1.0
    gbce_t: float = 0.75
    ccl_margin: float = 0.9
    ccl_weight: float = 150.0

    @property
    def is_softmax(self) -> bool:
        """Return whether it is a softmax, full or sampled."""
        return self.name in SOFTMAX

    @property
    def goes_in_blocks(self) -> bool:
        """Return whether `methods.products` has it without the scores in memory."""
        return self.name in (*SOFTMAX, "ccl")

    def __call__(
        self, positive: Tensor, negative: Tensor, log_expected: Tensor, excluded: Tensor
    ) -> Tensor:
        """Return the loss, a scalar."""
        if self.name == "ccl":
            return cosine_contrastive(
                positive, negative, excluded, self.ccl_margin, self.ccl_weight
            )
        if self.temperature != 1:
            positive, negative = positive / self.temperature, negative / self.temperature
        if self.name == "bpr":
            return bayesian_personalised_ranking(positive, negative, excluded)
        if self.is_softmax:
            return sampled_softmax(positive, negative, log_expected, excluded)
        power = 1.0
        if self.name == "gbce":
            power = gbce_power(negative.shape[1], self.n_items, self.gbce_t)
        return binary_cross_entropy(positive, negative, excluded, power)


def sampled_softmax(
    positive: Tensor, negative: Tensor, log_expected: Tensor, excluded: Tensor
) -> Tensor:
    """Return the mean cross-entropy of the target against sampled negatives.

    The partition sum over the catalogue is estimated as the target's own term plus each negative's
    divided by its expected number of draws (log-Q correction). A negative that is the target is to
    be excluded: the target's term stands for it. With every item drawn once and expected once it
    is the full softmax.

    References
    ----------
    Bengio and Senécal, IEEE TNN 19(4), 2008, on importance sampling of the partition function;
    Rawat et al., NeurIPS 2019, eq. 5, for the corrected logits; Yi et al., RecSys 2019, for log-Q
    correction in two-tower retrieval.
    """
    corrected = (negative - log_expected).masked_fill(excluded, -torch.inf)
    logits = torch.cat((positive[:, None], corrected), dim=1)  # (n, 1 + m)
    return (torch.logsumexp(logits, dim=1) - positive).mean()


def binary_cross_entropy(
    positive: Tensor, negative: Tensor, excluded: Tensor, power: float = 1.0
) -> Tensor:
    """Return the mean of -(power * log sigma(s+) + sum of log(1 - sigma(s-))) / (k + 1).

    The sum is over the row's k negatives; ``power`` is beta of gBCE. SASRec, with one negative,
    adds the two terms up: twice this.

    References
    ----------
    Kang and McAuley, ICDM 2018 (SASRec); Petrov and Macdonald, "gSASRec: Reducing Overconfidence in
    Sequential Recommendation Trained with Negative Sampling", RecSys 2023.
    """
    of_target = -power * functional.logsigmoid(positive)
    of_negatives = functional.softplus(negative).masked_fill(excluded, 0).sum(dim=1)
    return ((of_target + of_negatives) / (_kept(excluded) + 1)).mean()


def gbce_power(n_negatives: int, n_items: int, t: float) -> float:
    """Return beta = alpha (t (1 - 1 / alpha) + 1 / alpha) = 1 - t (1 - alpha) of gBCE.

    alpha = n_negatives / (n_items - 1) is the sampling rate, at most 1. With t = 0 gBCE is the
    binary cross-entropy; with t = 1 its scores are calibrated as those without sampling.

    >>> gbce_power(5, 11, 0.75)
    0.625

    References
    ----------
    Petrov and Macdonald, RecSys 2023, section 5.
    """
    alpha = min(1.0, n_negatives / max(n_items - 1, 1))
    return 1 - t * (1 - alpha)


def bayesian_personalised_ranking(positive: Tensor, negative: Tensor, excluded: Tensor) -> Tensor:
    """Return the mean of -log sigma(s+ - s-) over a row's negatives, then over rows.

    References
    ----------
    Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009.
    """
    lost = functional.softplus(negative - positive[:, None]).masked_fill(excluded, 0)
    return (lost.sum(dim=1) / _kept(excluded).clamp(min=1)).mean()


def cosine_contrastive(
    positive: Tensor, negative: Tensor, excluded: Tensor, margin: float, weight: float
) -> Tensor:
    """Return the mean of 1 - cos+ + (weight / |N|) * sum over N of max(0, cos- - margin).

    Scores are cosines. What dropout or a bias makes of one may exceed 1: there 1 - cos+ is 0, as in
    the published code, so that a target once high enough is not pushed any further.

    References
    ----------
    Mao et al., "SimpleX: A Simple and Strong Baseline for Collaborative Filtering", CIKM 2021.
    """
    above = functional.relu(negative - margin).masked_fill(excluded, 0).sum(dim=1)
    return (below_one(positive) + weight * above / _kept(excluded).clamp(min=1)).mean()


def below_one(positive: Tensor) -> Tensor:
    """Return what scores of targets lack to 1; 0 where they lack nothing."""
    return functional.relu(1 - positive)


def _kept(excluded: Tensor) -> Tensor:
    """Return how many negatives of each row count, int64 (n,)."""
    return excluded.shape[1] - excluded.sum(dim=1)
