"""Cross network (DCN-V2) on [token; item], two low-rank layers, arranged by sides."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from methods.interactions.blocks import in_blocks
from methods.interactions.dot import Dot
from methods.interactions.interaction import START, Interaction, Sides


class _Part(NamedTuple):
    """What one side brings, for n rows of it; the letters are those of `CrossNetwork`."""

    a: Tensor  # (n, R, S)
    alpha: Tensor  # (n, S), V_1 x
    q: Tensor  # (n, R)
    p: Tensor  # (n, R), U_2^T (w * x)
    e: Tensor  # (n, S), U_1^T (w * x)
    c: Tensor  # (n, 1)


class CrossNetwork(Interaction):
    r"""Score = <w, x_2> + <P token, tower(item)>, where * is elementwise and g is tanh.

    x_0 = [LN token; LN item]
    x_1 = x_0 * (U_1 V_1 x_0 + b_1) + x_0
    x_2 = x_0 * (U_2 g(C g(V_2 x_1)) + b_2) + x_1

    What is computed is this, exactly, without x_1 or x_2 of any pair. With x_0 in its two parts t
    and i, alpha = V_1 x is a sum over the sides, and so V_2 x_1 (R numbers) is

        q(t) + q(i) + A(t) alpha(i) + A(i) alpha(t),    A(x)_rs = sum_j V_2[r, j] x_j U_1[j, s],

    an inner product of 2 S + 2 numbers for each r. <w, x_1> is bilinear too: c(t) + c(i) +
    <e(t), alpha(i)> + <e(i), alpha(t)>. The second layer adds <p(t) + p(i), g(C g(V_2 x_1))>. A
    pair costs R (2 S + 2) + R^2 multiplications and 2 R tanh, whatever the widths; here R = S =
    hidden / 8, at least 1.

    Of the paper's low-rank layers (their section 3.3) the first has no C and no g, by which it
    splits; the second has them. There is one expert and so no gate, and there is no deep network
    after or beside. Ours: the layer norms, and the inner product; w starts near zero.

    A network of such layers without g is a polynomial of its sides, hence an inner product of wider
    vectors: what it scores a two-tower model could score. g is what makes this one more.

    References
    ----------
    Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning
    to Rank Systems", WWW 2021.
    """

    def __init__(self, dim: int, item_width: int, hidden: int) -> None:
        """Take tokens of ``dim`` and item features of ``item_width``."""
        super().__init__()
        self.dim, width, rank = dim, dim + item_width, max(1, hidden // 8)
        self.dot = Dot(dim, item_width, hidden)
        self.token_norm, self.item_norm = nn.LayerNorm(dim), nn.LayerNorm(item_width)
        self.v_1, self.v_2 = (
            nn.Parameter(torch.randn(rank, width) / math.sqrt(width)) for _ in range(2)
        )
        self.u_1, self.u_2 = (
            nn.Parameter(torch.randn(width, rank) / math.sqrt(rank)) for _ in range(2)
        )
        self.b_1, self.b_2 = (nn.Parameter(torch.zeros(width)) for _ in range(2))
        self.core = nn.Parameter(torch.eye(rank))
        self.weights = nn.Parameter(START * torch.randn(width) / math.sqrt(width))

    def of_tokens(self, tokens: Tensor) -> Sides:
        """Return factors of V_2 x_1 (n, R, 2 S + 2) and of what is bilinear, (n, .); p, (n, R)."""
        part = self._part(self.token_norm(tokens), slice(0, self.dim))
        alpha, q = part.alpha[:, None].expand_as(part.a), part.q[..., None]
        inner = torch.cat((part.a, alpha, q, torch.ones_like(q)), 2)
        one = torch.ones_like(part.c)
        bilinear = torch.cat((*self.dot.of_tokens(tokens), part.e, part.alpha, part.c, one), 1)
        return inner, bilinear, part.p

    def of_items(self, features: Tensor) -> Sides:
        """Return what `of_tokens` does, in the order that meets it."""
        part = self._part(self.item_norm(features), slice(self.dim, None))
        alpha, q = part.alpha[:, None].expand_as(part.a), part.q[..., None]
        inner = torch.cat((alpha, part.a, torch.ones_like(q), q), 2)
        one = torch.ones_like(part.c)
        bilinear = torch.cat((*self.dot.of_items(features), part.alpha, part.e, one, part.c), 1)
        return inner, bilinear, part.p

    def dot_side(self, side: Sides) -> Tensor | None:
        """See `Interaction`."""
        return side[1][:, : self.dim]  # what else is bilinear stands behind it

    def pairs(self, tokens: Sides, items: Sides) -> Tensor:
        """Return scores, (n, m); those of the second layer in blocks."""
        second = in_blocks(self._block, tokens[::2], items[::2], 4 * len(self.core))
        return second + tokens[1] @ items[1].T

    def own(self, tokens: Sides, items: Sides) -> Tensor:
        """Return scores, (n,)."""
        second = self._second((tokens[0] * items[0]).sum(2).T, (tokens[2] + items[2]).T)
        return second + (tokens[1] * items[1]).sum(1)

    def _part(self, x: Tensor, columns: slice) -> _Part:
        """Return what a side brings; x (n, width of the side) are these columns of x_0."""
        u_1, v_2, weighted = self.u_1[columns], self.v_2[:, columns], x * self.weights[columns]
        alpha = x @ self.v_1[:, columns].T
        outer = v_2[:, None] * u_1.T  # (R, S, width of the side)
        a = (x @ outer.flatten(0, 1).T).view(-1, *outer.shape[:2])
        q = (x * (1 + self.b_1[columns])) @ v_2.T + (a @ alpha[..., None]).squeeze(2)
        e = weighted @ u_1
        c = weighted @ (1 + self.b_1 + self.b_2)[columns] + (e * alpha).sum(1)
        return _Part(a, alpha, q, weighted @ self.u_2[columns], e, c[:, None])

    def _block(self, tokens: Sides, items: Sides) -> Tensor:
        projected = torch.matmul(tokens[0].transpose(0, 1), items[0].permute(1, 2, 0))  # (R, r, c)
        p = tokens[1].T[:, :, None] + items[1].T[:, None]
        return self._second(projected.flatten(1), p.flatten(1)).view(projected.shape[1:])

    def _second(self, projected: Tensor, p: Tensor) -> Tensor:
        """Return <p, g(C g(V_2 x_1))> from V_2 x_1; both (R, n), the result (n,)."""
        return (torch.tanh(self.core @ torch.tanh(projected)) * p).sum(0)
