"""The judge: one number for a model, from a fixed sample of the validation queries."""

from collections.abc import Callable

import numpy as np
import torch

from harness.interactions import HeldOut, Interactions
from harness.lists import FloatArray, IntArray
from harness.seeding import generator
from methods.batches import Batch, serving_history
from methods.training.model import RankingModel
from methods.training.params import TrainingParams

SCORED_AT_ONCE = 128


def judge_of(
    model: RankingModel,
    validation: HeldOut,
    train: Interactions,
    params: TrainingParams,
    seed: int,
) -> Callable[[], float]:
    """Return a function that scores the model on a fixed sample of the validation queries.

    It is the mean of 1 / log2(1 + rank) over their held-out items, higher is better: every item may
    be returned but those hidden from the query, none is sampled. Neither a metric of the suite nor
    its cut-off is looked at.

    Parameters
    ----------
    params : ``n_validation`` queries are drawn by lot, once, or all are taken; each with the last
        ``max_history`` items of its history.
    """
    n = params.n_validation or len(validation)
    chosen = generator(seed, "validation").permutation(len(validation))[:n]
    blocks = [
        chosen[start : start + SCORED_AT_ONCE] for start in range(0, len(chosen), SCORED_AT_ONCE)
    ]

    def judge() -> float:
        model.eval()
        with torch.no_grad():
            gains = [
                _discounts(model, validation, rows, train, params.max_history) for rows in blocks
            ]
        return float(np.concatenate(gains).mean())

    return judge


def _discounts(
    model: RankingModel, validation: HeldOut, rows: IntArray, train: Interactions, max_history: int
) -> FloatArray:
    """Return 1 / log2(1 + rank) of each held-out item among all items that may be returned.

    It is the gain of NDCG without a cut, so that every held-out item speaks.
    """
    queries, relevant = validation.queries.take(rows), validation.relevant.take(rows)
    history = serving_history(queries, train.ordered, max_history)
    scores = model.all_scores(Batch(np.zeros(0, np.int64), history, queries.fields))
    hidden_rows, hidden, asked, wanted = (
        torch.from_numpy(one).to(scores.device)
        for one in (queries.hidden.rows, queries.hidden.ids, relevant.rows, relevant.ids)
    )
    scores[hidden_rows, hidden] = -torch.inf
    of_relevant, against = scores[asked, wanted], scores[asked]
    above = (~(against <= of_relevant[:, None])).sum(dim=1)  # what is no number is above all
    tied = ((against == of_relevant[:, None]).sum(dim=1) - 1).clamp(min=0)
    rank = 1 + above + tied / 2  # a model that ties everything is not called perfect
    discounts: FloatArray = (1 / torch.log2(1 + rank)).cpu().numpy()
    return discounts
