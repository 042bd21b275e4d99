"""Routing: the items of a history -> K vectors, one for each interest."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from methods.encoders.fields import INIT_STD
from methods.encoders.layout import Layout

TINY = 1e-9  # under the root of a squared length, so that the gradient at 0 is 0


class Routing(nn.Module, ABC):
    """Items of n histories -> n * K vectors."""

    def __init__(self, n_interests: int) -> None:
        """Take K."""
        super().__init__()
        self.n_interests = n_interests

    @abstractmethod
    def forward(self, items: Tensor, layout: Layout) -> Tensor:
        """Return (n, K, dim) from the items' vectors, (N, dim), laid as ``layout`` says.

        A history without items has zeros. Vectors from `counts` on are none.
        """

    def counts(self, lengths: Tensor) -> Tensor:
        """Return how many interests histories of these lengths have, int64 (n,), at least 1."""
        return torch.full_like(lengths, self.n_interests)


class SelfAttention(Routing):
    """Weighted means of the items: A = softmax(W2 tanh(W1 (e + position))), one row an interest.

    The softmax goes over the items of a history. Positions are learned, counted back from the last
    item; in a log without order there are none. They enter the weights, not the means, as in the
    authors' code; in the paper's equation they enter both.

    References
    ----------
    Cen et al., "Controllable Multi-Interest Framework for Recommendation", KDD 2020, section 3.2
    (ComiRec-SA, eq. 6 and 7).
    """

    def __init__(self, dim: int, width: int, n_interests: int, n_positions: int) -> None:
        """Take d, d_a, K and the longest history, 0 where order means nothing."""
        super().__init__(n_interests)
        self.positions = nn.Embedding(n_positions, dim) if n_positions else None
        if self.positions is not None:
            nn.init.normal_(self.positions.weight, std=INIT_STD)
        self.inner = nn.Linear(dim, width, bias=False)
        self.outer = nn.Linear(width, n_interests, bias=False)

    def forward(self, items: Tensor, layout: Layout) -> Tensor:
        """See `Routing`."""
        placed = items
        if self.positions is not None:
            placed = items + self.positions(places_from_end(layout) % len(self.positions.weight))
        logits = layout.pad(self.outer(torch.tanh(self.inner(placed))))  # (n, longest, K)
        logits = logits.masked_fill(~filled(layout)[:, :, None], -torch.inf)
        weights = torch.softmax(logits, dim=1).nan_to_num(0.0)  # an empty history has no weights
        return weights.transpose(1, 2).to(items.dtype) @ layout.pad(items)


class DynamicRouting(Routing):
    """Capsules: items vote for interests, and an interest gets more of the items it agrees with.

    Item i votes W_j e_i for interest j. The logits b_ij start at 0; see `route`. The paper has a
    matrix W_ij for each position and interest; here it is of the interest alone, so that the place
    of an item in a log without order means nothing (the authors' code has this form too). It starts
    as the identity and noise, which tells interests apart.

    References
    ----------
    Cen et al., KDD 2020, section 3.2 and algorithm 1 (ComiRec-DR). Sabour, Frosst and Hinton,
    "Dynamic Routing Between Capsules", NeurIPS 2017.
    """

    def __init__(self, dim: int, n_interests: int, n_iterations: int) -> None:
        """Take d, K and r."""
        super().__init__(n_interests)
        start = torch.eye(dim) + INIT_STD * torch.randn(n_interests, dim, dim)
        self.votes = nn.Parameter(start)
        self._n_iterations = n_iterations

    def forward(self, items: Tensor, layout: Layout) -> Tensor:
        """See `Routing`."""
        votes = torch.einsum("nd,ked->nke", items, self.votes).flatten(1)  # (N, K * dim)
        shape = (len(layout.lengths), layout.longest, self.n_interests, items.shape[1])
        padded = layout.pad(votes).view(shape)
        start = padded.new_zeros(shape[:3])
        return route(padded, start, filled(layout)[:, :, None], self._n_iterations)


class BehaviourToInterest(Routing):
    """Capsules as in `DynamicRouting`, with one matrix, random logits and as many as a user needs.

    Item i votes S e_i for every interest. What tells interests apart are the first logits: normal,
    fixed, drawn once; those of an item are of its place, counted back from the last item of an
    ordered history, of another as the list has it (and from the start again after
    ``n_positions``). A history of m items has K' = max(1, min(K, log2 m)) interests, rounded down.

    References
    ----------
    Li et al., "Multi-Interest Network with Dynamic Routing for Recommendation at Tmall", CIKM 2019,
    section 3.3 and algorithm 1 (B2I dynamic routing; eq. 9 of K').
    """

    first: Tensor

    def __init__(
        self, dim: int, n_interests: int, n_iterations: int, n_positions: int, *, ordered: bool
    ) -> None:
        """Take d, K, r and the number of places that have first logits of their own."""
        super().__init__(n_interests)
        self.votes = nn.Parameter(torch.eye(dim) + INIT_STD * torch.randn(dim, dim))
        self.register_buffer("first", torch.randn(n_positions, n_interests))
        self._n_iterations, self._ordered = n_iterations, ordered

    def counts(self, lengths: Tensor) -> Tensor:
        """Return K'; whole powers of two are compared, so that no logarithm is rounded."""
        powers = 2 ** torch.arange(1, self.n_interests + 1, device=lengths.device)
        return (lengths[:, None] >= powers).sum(1).clamp_min(1)

    def forward(self, items: Tensor, layout: Layout) -> Tensor:
        """See `Routing`."""
        shape = (len(layout.lengths), layout.longest, self.n_interests, items.shape[1])
        padded = layout.pad(items @ self.votes.T)[:, :, None].expand(shape)
        places = places_from_end(layout) if self._ordered else layout.columns
        start = layout.pad(self.first[places % len(self.first)].to(items.dtype))
        present = torch.arange(self.n_interests, device=items.device)
        present = present < self.counts(layout.lengths)[:, None]  # (n, K)
        counted = filled(layout)[:, :, None] & present[:, None]
        return route(padded, start, counted, self._n_iterations)


def route(votes: Tensor, logits: Tensor, counted: Tensor, n_iterations: int) -> Tensor:
    """Return interests, (n, K, dim): in turns what they are and what they get of each item.

    c_i = softmax over j of b_ij; v_j = squash(sum_i c_ij u_ij); then b_ij += <v_j, u_ij>. Gradients
    go through every turn; the authors' code lets them through the last alone.

    Parameters
    ----------
    votes : u, (n, L, K, dim).
    logits : b at the start, (n, L, K).
    counted : bool, broadcast to (n, L, K): False for padding and for interests that are none.
    n_iterations : turns, at least 1.
    """
    counted = counted.expand(logits.shape)
    for turn in range(n_iterations):
        shares = torch.softmax(logits.masked_fill(~counted, -torch.inf), dim=2).nan_to_num(0.0)
        interests = squash(torch.einsum("nlk,nlkd->nkd", shares, votes))
        if turn + 1 < n_iterations:
            logits = logits + torch.einsum("nkd,nlkd->nlk", interests, votes)
    return interests


def squash(vectors: Tensor) -> Tensor:
    """Return vectors of the same direction and length |s|^2 / (1 + |s|^2).

    >>> round(squash(torch.tensor([3.0, 4.0])).norm().item(), 4)  # 25 / 26
    0.9615
    """
    squared = (vectors**2).sum(dim=-1, keepdim=True)
    return vectors * squared / ((1 + squared) * torch.sqrt(squared + TINY))


def filled(layout: Layout) -> Tensor:
    """Return where items stand, bool (n, longest)."""
    places = torch.arange(layout.longest, device=layout.lengths.device)
    return places < layout.lengths[:, None]


def places_from_end(layout: Layout) -> Tensor:
    """Return the place of each item, int64 (N,): 0 the last of its list, 1 the one before it."""
    lengths = torch.repeat_interleave(
        layout.lengths, layout.lengths, output_size=len(layout.columns)
    )
    return lengths - 1 - layout.columns
