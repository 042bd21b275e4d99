"""The loss of a step's scores, in whatever form a model has them."""

import torch
from torch import Tensor

from methods.losses import RankingLoss
from methods.negatives import Negatives
from methods.products import ProductScores, softmax_of_products
from methods.summed_softmax import SummedScores, softmax_of_sums

Scores = Tensor | SummedScores | ProductScores


def loss_of_scores(
    loss: RankingLoss, positive: Tensor, negative: Scores, negatives: Negatives
) -> Tensor:
    """Return the loss of targets (n,) and negatives (n, m), which may not be made up yet.

    A softmax of inner products, where there are many, and on the CPU one of float32 sums are taken
    without the scores in memory. The loss is computed in float32.
    """
    device = positive.device
    log_expected = negatives.log_expected.to(device, non_blocking=True)
    if loss.is_softmax and isinstance(negative, ProductScores) and negative.are_many:
        queries = negative.queries / loss.temperature
        own = positive.float() / loss.temperature
        pairs = negatives.excluded_pairs(device)
        return softmax_of_products(own, queries, negative.items, log_expected, pairs)
    if loss.is_softmax and isinstance(negative, SummedScores) and _fits(positive, negative):
        scaled = negative._replace(weights=negative.weights / loss.temperature)
        pairs = negatives.excluded_pairs(device)
        return softmax_of_sums(positive / loss.temperature, scaled, log_expected, pairs)
    excluded = negatives.excluded(len(positive), device)
    return loss(positive.float(), dense(negative).float(), log_expected, excluded)


def dense(scores: Scores) -> Tensor:
    """Return scores (n, m), whether they come as such or are still to be made."""
    return scores if isinstance(scores, Tensor) else scores.dense()


def _fits(positive: Tensor, negative: SummedScores) -> bool:
    """Return whether `softmax_of_sums` takes them."""
    tensors = (positive, negative.scores, negative.weights)
    return all(one.dtype == torch.float32 and one.device.type == "cpu" for one in tensors)
