"""Self-attention over a token and an item's fields, one layer, read out as one number."""

import math

import torch
from torch import Tensor, nn

from methods.interactions.blocks import in_blocks
from methods.interactions.dot import Dot
from methods.interactions.interaction import START, Interaction, Sides


class SelfAttention(Interaction):
    """Score = sum_a <r_a, output_a> + <z_a, x_a>, over places a, + <P token, tower(item)>.

    The places are the token (0) and the F parts of the item: its id and its fields. x_a is the
    place's vector after a layer norm, plus a learned vector of the place. Each of ``heads`` heads
    has output_a = sum_b softmax_b(<Q x_a, K x_b> / sqrt(d)) V x_b; the second term is the residual
    connection. No ReLU follows (AutoInt has one), so that the readout goes through the sum: all
    that is needed of V x_b are the numbers <r_a, V x_b>, which belong to one side.

    What parts of the item give each other is known before a token comes. Let Z_a be the log of the
    sum of exp of part a's logits with the item's parts, u_a the mean of <r_a, V x_b> under their
    softmax. With the token among them, part a brings

        u_a + sigmoid(<Q x_a, K x_0> / sqrt(d) - Z_a) * (<r_a, V x_0> - u_a).

    So a pair costs 2 F products of length d and as many exponentials for each head. All of it is
    exact. Ours are the layer norms, the readout and the inner product; r and z start near zero.

    References
    ----------
    Song et al., "AutoInt: Automatic Feature Interaction Learning via Self-Attentive Neural
    Networks", CIKM 2019.
    """

    def __init__(self, dim: int, item_width: int, hidden: int, *, heads: int = 2) -> None:
        """Take tokens of ``dim`` and items of item_width / dim parts; d is hidden / heads.

        Raises
        ------
        ValueError
            ``item_width`` is no multiple of ``dim``.
        """
        super().__init__()
        if item_width % dim:
            raise ValueError(f"item_width = {item_width} must be a multiple of dim = {dim}")
        self.n_parts, self.heads, width = item_width // dim, heads, max(1, hidden // heads)
        self.dot = Dot(dim, item_width, hidden)
        self.token_norm, self.part_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.places = nn.Parameter(torch.zeros(1 + self.n_parts, dim))
        self.query, self.key, self.value = (
            nn.Linear(dim, heads * width, bias=False) for _ in range(3)
        )
        shape = (1 + self.n_parts, heads, width)
        self.readout = nn.Parameter(START * torch.randn(shape) / math.sqrt(heads * width))
        self.residual = nn.Parameter(START * torch.randn(1 + self.n_parts, dim) / math.sqrt(dim))

    def of_tokens(self, tokens: Tensor) -> Sides:
        """Return query and key (n, h, d), own logit (n, h, 1), readings (n, h, 1 + F), a vector."""
        x = self.token_norm(tokens) + self.places[0]
        query, key, value = self._projected(x)
        logit = (query * key).sum(-1, keepdim=True)
        read = torch.einsum("nhd,ahd->nha", value, self.readout)
        alone = x @ self.residual[0]
        vector = torch.cat((*self.dot.of_tokens(tokens), alone[:, None], _ones(tokens)), 1)
        return query, key, logit, read, vector

    def of_items(self, features: Tensor) -> Sides:
        """Return key and query (m, h, F, d); Z, u and the token's readings (m, h, F); a vector."""
        parts = features.reshape(-1, *self.places[1:].shape)  # (m, F, D)
        x = self.part_norm(parts) + self.places[1:]
        query, key, value = (one.transpose(1, 2) for one in self._projected(x))
        logits = query @ key.transpose(2, 3)  # (m, h, F, F)
        read = torch.einsum("ahd,mhbd->mhab", self.readout, value)  # (m, h, 1 + F, F)
        among = (torch.softmax(logits, 3) * read[:, :, 1:]).sum(3)
        alone = (x * self.residual[1:]).sum((1, 2)) + among.sum((1, 2))
        vector = torch.cat((*self.dot.of_items(features), _ones(features), alone[:, None]), 1)
        return key, query, torch.logsumexp(logits, 3), among, read[:, :, 0], vector

    def dot_side(self, side: Sides) -> Tensor | None:
        """See `Interaction`."""
        return side[-1][:, :-2]  # behind it: what each side scores alone

    def pairs(self, tokens: Sides, items: Sides) -> Tensor:
        """Return scores, (n, m); what attention adds in blocks."""
        per_pair = 8 * self.heads * self.n_parts
        attended = in_blocks(self._block, tokens[:-1], items[:-1], per_pair)
        return attended + tokens[-1] @ items[-1].T

    def own(self, tokens: Sides, items: Sides) -> Tensor:
        """Return scores, (n,)."""
        query, key, *of_tokens, vector = tokens
        keys, queries, *of_items, vectors = items
        to_item, to_token = (query[:, :, None] * keys).sum(3), (queries * key[:, :, None]).sum(3)
        sides = [one.permute(1, 2, 0) for one in (to_item, to_token, *of_tokens, *of_items)]
        return self._attended(*sides) + (vector * vectors).sum(1)

    def _projected(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, over sqrt(d), keys and values, (..., h, d)."""
        query, key, value = (
            layer(x).view(*x.shape[:-1], *self.readout.shape[1:])
            for layer in (self.query, self.key, self.value)
        )
        return query / math.sqrt(query.shape[-1]), key, value

    def _block(self, tokens: Sides, items: Sides) -> Tensor:
        query, key = (one.transpose(0, 1)[:, None] for one in tokens[:2])  # (h, 1, r, d)
        keys, queries = (one.permute(1, 2, 3, 0) for one in items[:2])  # (h, F, d, c)
        of_tokens = [one.permute(1, 2, 0)[..., None] for one in tokens[2:]]
        of_items = [one.permute(1, 2, 0)[:, :, None] for one in items[2:]]
        return self._attended(query @ keys, key @ queries, *of_tokens, *of_items)

    def _attended(
        self,
        to_item: Tensor,
        to_token: Tensor,
        logit: Tensor,
        read: Tensor,
        log_sum: Tensor,
        among: Tensor,
        read_token: Tensor,
    ) -> Tensor:
        """Return the readout, less what `of_items` knew: (h, places, ...) -> (...)."""
        logits = torch.cat((logit.expand_as(to_item[:, :1]), to_item), 1)
        weights = torch.softmax(logits, 1)
        token = weights[:, 0] * read[:, 0] + (weights[:, 1:] * read_token).sum(1)
        parts = (torch.sigmoid(to_token - log_sum) * (read[:, 1:] - among)).sum(1)
        return (token + parts).sum(0)


def _ones(rows: Tensor) -> Tensor:
    return rows.new_ones((len(rows), 1))
