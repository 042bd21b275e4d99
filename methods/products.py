"""Scores that are inner products: of shared and own negatives; their losses, in blocks."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from methods.sparse_hinge import hinge_in_tiles

# Scores held at once: 16 MiB of float32, which caches hold; on a GPU 256 MiB, for fewer launches.
BLOCK_SCORES, DEVICE_BLOCK_SCORES = 1 << 22, 1 << 26
FUSED_FROM = 1 << 22  # scores of a step from which a softmax of inner products does not keep them
FEW_ITEMS = 1 << 14  # own negatives of a step up to which repeated items are not looked for


class Vectors(NamedTuple):
    """What the scores of a step are inner products of, and what a model adds to the loss.

    ``queries`` (n, d); ``targets`` (n, d), those of the rows' own targets; ``negatives`` (m, d),
    shared; ``extra`` a scalar.
    """

    queries: Tensor
    targets: Tensor
    negatives: Tensor
    extra: Tensor


class ProductScores(NamedTuple):
    """Scores (n, m) that are the inner products of queries (n, d) and shared items (m, d)."""

    queries: Tensor
    items: Tensor

    def dense(self) -> Tensor:
        """Return the scores."""
        return self.queries @ self.items.T

    @property
    def are_many(self) -> bool:
        """Return whether a softmax is better taken without keeping them."""
        return len(self.queries) * len(self.items) >= FUSED_FROM


def products(queries: Tensor, items: Tensor, vectors_of: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the inner products of queries (n, d) with their negatives, (n, m).

    ``items`` is int64 (m,), shared, or (n, m), own ones; ``vectors_of`` gives items (p,) their
    vectors (p, d). Each item that occurs among many own ones is given its vector once; the vectors
    of all n * m are then held.
    """
    if items.ndim == 1:
        return queries @ vectors_of(items).T
    if items.numel() <= FEW_ITEMS:
        few = vectors_of(items.flatten()).view(*items.shape, -1)
        return torch.bmm(few, queries[:, :, None]).squeeze(2)
    used, places = torch.unique(items, return_inverse=True)  # places (n, m)
    vectors = functional.embedding(places, vectors_of(used))  # (n, m, d)
    return torch.bmm(vectors, queries[:, :, None]).squeeze(2)


def softmax_of_products(
    positive: Tensor,
    queries: Tensor,
    items: Tensor,
    log_expected: Tensor,
    excluded: tuple[Tensor, Tensor],
    block_scores: int = 0,
) -> Tensor:
    """Return `methods.losses.sampled_softmax` of the scores ``queries @ items.T``.

    Rows are taken in blocks. The loss is a mean of rows, so the gradient of each block is computed
    with its scores, up to the factor that comes from behind, and the scores are dropped: three
    products of matrices as in the plain way, and ``block_scores`` numbers in place of several times
    n * m (0: as many as the device does well with; a row at least). It has no second derivative.

    Parameters
    ----------
    positive : (n,), scores of the targets.
    queries : (n, d). items : (m, d). log_expected : (m,).
    excluded : rows, ascending, and columns, int64 (p,), of the pairs that do not count.
    """
    loss: Tensor = _SoftmaxOfProducts.apply(  # type: ignore[no-untyped-call]
        positive, queries, items, log_expected, *excluded, block_scores
    )
    return loss


def hinge_of_products(
    queries: Tensor,
    items: Tensor,
    margin: float,
    excluded: tuple[Tensor, Tensor],
    block_scores: int = 0,
) -> Tensor:
    """Return the mean of rows of the mean of max(0, score - margin) over the items that count.

    Scores are ``queries @ items.T``; see `softmax_of_products` for the rest, and
    `methods.losses.cosine_contrastive` for what it is part of.
    """
    loss: Tensor = _HingeOfProducts.apply(  # type: ignore[no-untyped-call]
        queries, items, margin, *excluded, block_scores
    )
    return loss


class _SoftmaxOfProducts(torch.autograd.Function):
    """See `softmax_of_products`."""

    @staticmethod
    def forward(
        ctx: Any,
        positive: Tensor,
        queries: Tensor,
        items: Tensor,
        log_expected: Tensor,
        rows: Tensor,
        columns: Tensor,
        block_scores: int,
    ) -> Tensor:
        n = len(queries)
        corrects = bool(log_expected.any())
        of_positive, of_queries = torch.empty_like(positive), torch.empty_like(queries)
        of_items, total = torch.zeros_like(items), positive.new_zeros(())
        for block, pairs in _blocks(queries, items, rows, block_scores):
            own = positive[block]
            scores = (queries[block] @ items.T).to(positive.dtype)  # autocast may have reduced it
            if corrects:
                scores -= log_expected
            scores[rows[pairs] - block.start, columns[pairs]] = -torch.inf
            top = torch.maximum(scores.amax(dim=1), own)
            scores.sub_(top[:, None]).exp_()
            of_own = (own - top).exp()
            sums = scores.sum(dim=1) + of_own
            total += (top + sums.log() - own).sum()
            of_positive[block] = (of_own / sums - 1) / n
            scores.div_(n * sums[:, None])
            of_queries[block] = scores @ items
            _add_product(of_items, scores.T, queries[block])
        ctx.save_for_backward(of_positive, of_queries, of_items)
        return total / n

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_inputs = (one * gradients[0].to(one.dtype) for one in ctx.saved_tensors)
        return (*of_inputs, None, None, None, None)


class _HingeOfProducts(torch.autograd.Function):
    """See `hinge_of_products`; `methods.sparse_hinge` has what is done on the CPU."""

    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        items: Tensor,
        margin: float,
        rows: Tensor,
        columns: Tensor,
        block_scores: int,
    ) -> Tensor:
        if _has_plain_products(queries, items):
            tiles = (block_scores,) if block_scores else ()
            hinge = hinge_in_tiles(queries, items, margin, (rows, columns), *tiles)
            ctx.save_for_backward(hinge.of_queries, hinge.of_items)
            return queries.new_tensor(hinge.loss)
        n = len(queries)
        whole = torch.promote_types(queries.dtype, torch.float32)  # autocast may have reduced it
        of_queries, of_items = torch.empty_like(queries), torch.zeros_like(items)
        total = torch.zeros((), dtype=whole, device=queries.device)
        for block, pairs in _blocks(queries, items, rows, block_scores):
            scores = (queries[block] @ items.T).to(whole)
            scores[rows[pairs] - block.start, columns[pairs]] = -torch.inf
            kept = (scores > -torch.inf).sum(dim=1).clamp(min=1)  # a pair may be named twice
            scores.sub_(margin).clamp_(min=0)
            total += (scores.sum(dim=1) / kept).sum() / n
            scores.sign_().div_(n * kept[:, None])
            of_queries[block] = scores @ items
            _add_product(of_items, scores.T, queries[block])
        ctx.save_for_backward(of_queries, of_items)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_inputs = (one * gradients[0].to(one.dtype) for one in ctx.saved_tensors)
        return (*of_inputs, None, None, None, None)


def _has_plain_products(queries: Tensor, items: Tensor) -> bool:
    """Return whether products are taken on the CPU in the precision of contiguous vectors."""
    return (
        queries.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
        and queries.dtype == items.dtype
        and queries.dtype in (torch.float32, torch.float64)
        and queries.is_contiguous()
        and items.is_contiguous()
    )


def _blocks(
    queries: Tensor, items: Tensor, rows: Tensor, block_scores: int
) -> Iterator[tuple[slice, slice]]:
    """Yield the rows of each block, and which of the pairs, whose rows ascend, are theirs."""
    if block_scores == 0:
        block_scores = BLOCK_SCORES if queries.device.type == "cpu" else DEVICE_BLOCK_SCORES
    n = len(queries)
    step = min(n, max(1, block_scores // max(len(items), 1)))
    starts = torch.arange(0, n + step, step, device=rows.device)
    cuts = torch.searchsorted(rows, starts).tolist()  # where each block's pairs begin
    for place, start in enumerate(range(0, n, step)):
        yield slice(start, start + step), slice(cuts[place], cuts[place + 1])


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add left @ right to ``total`` in place; under autocast the product comes in its precision."""
    if torch.is_autocast_enabled(total.device.type):
        total += left @ right
    else:
        total.addmm_(left, right)
