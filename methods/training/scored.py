"""The loss of a step's scores, in whatever form a model has them."""

import torch
from torch import Tensor

from methods.losses import RankingLoss
from methods.negatives import Negatives
from methods.summed_softmax import SummedScores, added_up, softmax_of_sums


def loss_of_scores(
    loss: RankingLoss, positive: Tensor, negative: Tensor | SummedScores, negatives: Negatives
) -> Tensor:
    """Return the loss of targets (n,) and negatives (n, m), which may not be added up yet.

    On the CPU a softmax of float32 sums is taken without adding them up in memory. The loss is
    computed in float32.
    """
    device = positive.device
    log_expected = negatives.log_expected.to(device, non_blocking=True)
    if isinstance(negative, SummedScores) and loss.is_softmax and _fits(positive, negative):
        scaled = negative._replace(weights=negative.weights / loss.temperature)
        pairs = negatives.excluded_pairs(device)
        return softmax_of_sums(positive / loss.temperature, scaled, log_expected, pairs)
    excluded = negatives.excluded(len(positive), device)
    return loss(positive.float(), added_up(negative).float(), log_expected, excluded)


def _fits(positive: Tensor, negative: SummedScores) -> bool:
    """Return whether `softmax_of_sums` takes them."""
    tensors = (positive, negative.scores, negative.weights)
    return all(one.dtype == torch.float32 and one.device.type == "cpu" for one in tensors)
