"""Sparsity: the bias that leaves each code a stated share of the items."""

from torch import Tensor


def list_length(density: float, n_items: int) -> int:
    """Return how many of n_items items a share ``density`` is, at least 1."""
    return min(n_items, max(1, round(density * n_items)))


def quantile_bias(scores: Tensor, density: float) -> Tensor:
    """Return for each code the b that leaves its P best items a positive score, (n,).

    P is `list_length`, and b = -(s_P + s_P+1) / 2 with s_j the j-th largest score of the code:
    halfway, so that no rounding takes an item in or out. Fewer are positive where scores tie at the
    bar, and P - 1 where P is all items. b has the gradient of both scores: what is added to all
    items of a code adds nothing to any. Ours; the paper's schedule of b is not known.

    Parameters
    ----------
    scores : (n, m), of n codes with all items, or with m that are drawn uniformly.
    """
    n_items = scores.shape[1]
    length = list_length(density, n_items)
    best = scores.topk(min(length + 1, n_items), dim=1).values
    return -(best[:, length - 1] + best[:, -1]) / 2
