"""Upper bounds of scores over blocks of items, so that hopeless blocks are never scored.

Each bound is proved for the score as it is computed. Let u = 2^-24. A float32 sum of n products,
in any order, with or without fused operations, differs from the true sum by at most
g(n) * sum |terms|, g(n) = n u / (1 - n u) (Higham, "Accuracy and Stability of Numerical
Algorithms", 2002, section 3.1). Both score and bound are such sums, of less than d + 8 roundings
each; for d below 2^18, 2 g(d + 8) < 8 (d + 8) u, and that, times a bound of the absolute terms of
both, is what `_slack` adds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from harness.errors import MethodError
from harness.lists import IntArray
from methods.interactions.interaction import Interaction, Sides
from methods.interactions.mlp import MLP
from methods.interactions.split_mlp import split_mlp
from methods.sparcode.index.scorer import BlockBounds, MakeBounds

BLOCK_ITEMS = 64  # of a block with bounds; items are put in order for blocks of this size


def alike_order(vectors: Tensor, block: int = BLOCK_ITEMS) -> Tensor:
    """Return an order of items, int64 (n,), in which blocks of ``block`` hold items that are alike.

    Halves again and again along the coordinate of the largest variance, as a k-d tree does.
    """
    order = torch.arange(len(vectors), device=vectors.device)
    waiting, done = [order], []
    while waiting:
        some = waiting.pop()
        if len(some) <= block:
            done.append(some)
            continue
        axis = int(vectors[some].var(dim=0).argmax())
        some = some[vectors[some, axis].argsort(stable=True)]
        half = -(-len(some) // block) // 2 * block
        waiting += [some[half:], some[:half]]
    return torch.cat(done)


def dot_bounds(codes: Tensor, items: Tensor, bias: Tensor) -> MakeBounds:
    """Bound <c, i> + b by balls around blocks of items.

    With m the middle of a block and r the largest |i - m| in it,
    <c, i> = <c, m> + <c, i - m> <= <c, m> + |c| r (Cauchy and Schwarz); with R the largest |i|
    also <c, i> <= |c| R. The smaller of the two holds.

    Parameters
    ----------
    codes, items, bias : float32 (n_codes, d), (n_items, d), (n_codes,).
    """
    return lambda edges: _BallBounds.of(codes, items, bias, edges)


def split_mlp_bounds(a: Tensor, b: Tensor, w: Tensor, bias: Tensor) -> MakeBounds:
    """Bound sum_h w_h relu(a_rh + b_sh) + bias_r by boxes around blocks, and by its two sides.

    *Box.* With U_h, L_h the largest and smallest b_sh of a block: relu rises, so every term with
    w_h > 0 is at most w_h relu(a_rh + U_h), and every other at most w_h relu(a_rh + L_h).
    *Sides.* relu(x + y) <= relu(x) + relu(y), so the sum is at most
    sum_{w_h > 0} w_h relu(a_rh) + the block's largest sum_{w_h > 0} w_h relu(b_sh).
    The smaller of the two holds.

    Parameters
    ----------
    a, b, w, bias : float32 (n_codes, H), (n_items, H), (H,), (n_codes,).
    """
    return lambda edges: _BoxBounds.of(a, b, w, bias, edges)


def bounds_of(interaction: Interaction, codes: Sides, items: Sides, bias: Tensor) -> MakeBounds:
    """Bound s(code, i) + b of an inner product, or of the perceptron with one beside it.

    Parameters
    ----------
    codes, items, bias : what codes and items bring to the interaction, float32; (n_codes,).

    Raises
    ------
    MethodError
        The interaction has no bounds.
    """
    if interaction.is_product:
        return dot_bounds(codes[0], items[0], bias)
    if isinstance(interaction, MLP):
        hidden = split_mlp_bounds(codes[0], items[0], interaction.weights.detach(), bias)
        return sum_of_bounds(hidden, dot_bounds(codes[1], items[1], torch.zeros_like(bias)))
    raise MethodError(f"{type(interaction).__name__} has no bounds: only inner products and `mlp`")


def sum_of_bounds(*parts: MakeBounds) -> MakeBounds:
    """Bound a score that is the sum of scores, each with its bounds; one of them has the bias."""
    return lambda edges: _SumOfBounds([make(edges) for make in parts])


@dataclass(frozen=True, slots=True)
class _BallBounds:
    codes: Tensor
    code_norms: Tensor
    bias: Tensor
    middles: Tensor
    radii: Tensor
    norms: Tensor

    @classmethod
    def of(cls, codes: Tensor, items: Tensor, bias: Tensor, edges: IntArray) -> "_BallBounds":
        middles = _by_block(lambda block: block.mean(dim=0), items, edges)
        radii = [
            (items[first:after].double() - middle.double()).norm(dim=1).max()
            for middle, (first, after) in zip(middles, pairwise(edges.tolist()), strict=True)
        ]
        norms = _by_block(lambda block: block.double().norm(dim=1).max(), items, edges)
        return cls(
            codes,
            codes.double().norm(dim=1).float(),
            bias,
            middles,
            torch.stack(radii).float(),
            norms.float(),
        )

    def of_codes(self, first_code: int, after_code: int) -> Tensor:
        codes, norms = self.codes[first_code:after_code], self.code_norms[first_code:after_code]
        bias = self.bias[first_code:after_code, None]
        ball = codes @ self.middles.T + norms[:, None] * self.radii
        largest = norms[:, None] * self.norms
        # |m| <= R and r <= 2 R, so the absolute terms of both are at most 4 |c| R + |b|
        return torch.minimum(ball, largest) + bias + _slack(codes, 4 * largest + bias.abs())


@dataclass(frozen=True, slots=True)
class _BoxBounds:
    a: Tensor
    w: Tensor
    bias: Tensor
    upper: Tensor
    lower: Tensor
    sides: Tensor

    @classmethod
    def of(cls, a: Tensor, b: Tensor, w: Tensor, bias: Tensor, edges: IntArray) -> "_BoxBounds":
        side = torch.relu(b) @ w.clamp_min(0)
        return cls(
            a,
            w,
            bias,
            _by_block(lambda block: block.amax(dim=0), b, edges),
            _by_block(lambda block: block.amin(dim=0), b, edges),
            _by_block(lambda block: block.max(), side, edges),
        )

    def of_codes(self, first_code: int, after_code: int) -> Tensor:
        a, bias = self.a[first_code:after_code], self.bias[first_code:after_code, None]
        plus, minus = self.w.clamp_min(0), (-self.w).clamp_min(0)
        box = split_mlp(a, self.upper, plus) - split_mlp(a, self.lower, minus)
        sides = (torch.relu(a) @ plus)[:, None] + self.sides
        # relu(a + b) <= relu(a) + relu(U): no absolute terms are larger than these
        most = (torch.relu(a) @ self.w.abs())[:, None] + torch.relu(self.upper) @ self.w.abs()
        return torch.minimum(box, sides) + bias + _slack(a, 2 * most + bias.abs())


@dataclass(frozen=True, slots=True)
class _SumOfBounds:
    parts: list[BlockBounds]

    def of_codes(self, first_code: int, after_code: int) -> Tensor:
        total = self.parts[0].of_codes(first_code, after_code)
        for part in self.parts[1:]:
            total = total + part.of_codes(first_code, after_code)
        return total


def _slack(codes: Tensor, terms: Tensor) -> Tensor:
    """Return what rounding may come to, see the module; the smallest normal number for zeros."""
    return 8 * (codes.shape[1] + 8) * 2.0**-24 * terms + torch.finfo(torch.float32).tiny


def _by_block(of: Callable[[Tensor], Tensor], rows: Tensor, edges: IntArray) -> Tensor:
    return torch.stack([of(rows[first:after]) for first, after in pairwise(edges.tolist())])
