"""Two passes: the k best of a mixture, exactly, without its gate for most items."""

import torch
from torch import Tensor

from methods.interactions.interaction import Sides
from methods.interactions.mixture_of_logits import MixtureOfLogits

PAIRS = 1 << 16  # of query and item whose gate is computed at once
ROUNDING = 4 * torch.finfo(torch.float32).eps  # of a mixture, for each of its components, relative


def two_pass_scores(
    interaction: MixtureOfLogits,
    queries: Sides,
    items: Sides,
    hidden: tuple[Tensor, Tensor],
    k: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows and items, int64 (m,), rows then items ascending, and their mixtures, (m,).

    The k best items of every query that are not hidden are among them. A mixture is a weighted mean
    of its components, so it is at most the largest. First the k best items of each component get
    their mixtures; the k-th best of these is a score that k items reach. Then all items do of which
    a component reaches that: no other item can. Where mixtures tie with it the smaller id counts,
    and rounding may lift a mixture above its components, so a component may miss it by the error
    of the sum.

    Parameters
    ----------
    queries, items : what (n,) queries and (n_items,) items bring to a plain mixture.
    hidden : rows and items, int64, that are not to be found.

    References
    ----------
    Ding and Zhai, "Retrieval with Learned Similarities", WWW 2025, section 3 (exact top-k).
    """
    cosines = interaction.cosines(queries, items)  # (n_p, n, n_items)
    cosines[:, hidden[0], hidden[1]] = -torch.inf
    largest = cosines.amax(dim=0)
    first = torch.zeros_like(largest, dtype=torch.bool)
    for component in cosines:  # one at a time: the indices of all would be as large as they are
        first.scatter_(1, component.topk(k, dim=1, sorted=False).indices, value=True)
    first &= largest > -torch.inf  # where fewer than k are visible, hidden ones fill up
    mixtures = torch.full_like(largest, -torch.inf)
    mixtures[first] = _mixtures(interaction, queries, items, cosines, first)
    reached = mixtures.topk(k, dim=1).values[:, -1:]
    bound = (largest + ROUNDING * interaction.n_components) / interaction.temperature
    second = (bound >= reached) & (largest > -torch.inf) & ~first
    mixtures[second] = _mixtures(interaction, queries, items, cosines, second)
    rows, ids = torch.nonzero(first | second, as_tuple=True)
    return rows, ids, mixtures[rows, ids]


def _mixtures(
    interaction: MixtureOfLogits, queries: Sides, items: Sides, cosines: Tensor, chosen: Tensor
) -> Tensor:
    """Return the mixtures of the pairs chosen, bool (n, n_items), in their order."""
    found, n_items = [], cosines.shape[2]
    flat = cosines.flatten(1)  # of a flat one index_select takes a fifth of the time
    for rows, ids in zip(
        *(torch.functional.split(one, PAIRS) for one in torch.nonzero(chosen, as_tuple=True)),
        strict=True,
    ):
        gate = queries[1].index_select(0, rows) * items[1].index_select(0, ids)
        products = flat.index_select(1, rows * n_items + ids)
        found.append(interaction.mixture(products, gate.T))
    return torch.cat(found) if found else cosines.new_zeros(0)
