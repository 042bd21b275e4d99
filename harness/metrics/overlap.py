"""ann_recall@k: how far an approximate index agrees with exact search of the same model."""

import numpy as np
import numpy.typing as npt

from harness.lists import FloatArray, IntArray
from harness.topk import PAD_ID, TopK

TOLERANCE = 1e-5  # of the k-th exact score: float32 sums in another order differ by less


def ann_recall(
    ids: IntArray, exact_scores: FloatArray, exact: TopK, k: int, *, tolerance: float = TOLERANCE
) -> npt.NDArray[np.float64]:
    """Return the share of the exact top k that was found, float64 (n,).

    A returned item counts when its exact score reaches the k-th exact score, so that an index is
    not blamed for taking another of two equal items.

    Parameters
    ----------
    ids : int64 (n, width), what the approximate search returned, best first, padded with -1. An
        item that occurs twice counts once. More than k columns are ignored.
    exact_scores : float (n, width), the **exact** score of each returned id, from the exhaustive
        scorer, not the score that the approximate index gave it; -inf for an id that is hidden.
    exact : the exact answer to the same queries, hidden items left out, of width >= k, or padded
        where fewer than k items can be returned at all. The divisor is the number of items in
        its top k; where there are none, there was nothing to miss and the value is 1.
    tolerance : relative to the k-th exact score; a score lower by no more than that is a tie.

    References
    ----------
    Aumüller, Bernhardsson and Faithfull, ANN-Benchmarks, Information Systems 87, 2020, section 2.2:
    recall by distance threshold.
    """
    if ids.shape != exact_scores.shape:
        raise ValueError(f"ids {ids.shape} and their exact scores {exact_scores.shape} differ")
    if len(exact) != ids.shape[0]:
        raise ValueError(f"{len(exact)} exact lists for {ids.shape[0]} returned ones")
    if exact.k < k:
        raise ValueError(f"exact lists of {exact.k} items are too short for ann_recall@{k}")
    found, scores = ids[:, :k], exact_scores[:, :k].astype(np.float64)
    n_exact = (exact.ids[:, :k] != PAD_ID).sum(axis=1)
    rows = np.arange(len(exact))
    worst = exact.scores[rows, np.maximum(n_exact - 1, 0)].astype(np.float64)
    worst = np.where(n_exact > 0, worst, 0.0)
    threshold = worst - tolerance * np.abs(worst)
    counts = (found != PAD_ID) & (scores >= threshold[:, None]) & ~_repeated(found)
    n_found = np.minimum(counts.sum(axis=1), n_exact)
    return np.where(n_exact > 0, n_found / np.maximum(n_exact, 1), 1.0)


def _repeated(ids: IntArray) -> npt.NDArray[np.bool_]:
    """Return which entries repeat an id that stands earlier in their row, bool (n, width)."""
    order = np.argsort(ids, axis=1, kind="stable")
    ordered = np.take_along_axis(ids, order, axis=1)
    again = np.zeros(ids.shape, np.bool_)
    again[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    result = np.zeros(ids.shape, np.bool_)
    np.put_along_axis(result, order, again, axis=1)
    return result
