"""Tokenizer: what is known of a query -> token vectors to be quantised."""

import math

import torch
from torch import Tensor, nn

from methods.encoders.query import mlp
from methods.encoders.tensors import Bags
from methods.sparcode.model.settings import ModelSettings


class Tokenizer(nn.Module):
    """K tokens of ``dim`` from the history and, mixed in, fields.

    *heads*: a head is a projection of the history's vector, which starts as the identity, plus its
    part of a perceptron, by which heads differ from the first step. (Projections that start as
    rotations of their own, ``head_start = "orthogonal"``, keep tokens further apart, but then the
    sum over tokens does not begin as the two towers' inner product, and every data set tried was
    learned less well.) *attention*: a
    learned query per head weighs the items of the history before they are projected. *residual*:
    one vector, the history's plus a perceptron's part, of which the quantiser makes K levels,
    each for what the levels before left over.

    Without field tokens the perceptron sees the fields too. With them a categorical field is a
    token that needs no quantiser (`FieldCodes`), any other field is one more token here, and the
    heads are left to the history: a head that sees fields as well needs a code for each of their
    combinations that matters. ``beside`` has field tokens, and heads that see everything; so has a
    residual tokenizer, whose one vector is all that its levels quantise.
    """

    def __init__(self, settings: ModelSettings, n_fields: int, own_fields: list[int]) -> None:
        """Take the number of the query side's fields, and which of them are tokens here."""
        super().__init__()
        dim, one = settings.dim, settings
        self.dim, self.kind, self.n_heads = dim, one.tokenizer, one.n_heads
        self.own_fields = own_fields
        apart = one.field_tokens in ("fields", "pairs") and one.tokenizer != "residual"
        self.n_mixed = 1 if apart else 1 + n_fields
        n_out = 1 if one.tokenizer == "residual" else one.n_heads
        self.mixture = mlp(self.n_mixed * dim, one.hidden, n_out * dim)
        if one.tokenizer != "residual":
            self.projections = nn.Parameter(torch.eye(dim).repeat(n_out, 1, 1))
            if one.head_start == "orthogonal":
                for projection in self.projections:
                    nn.init.orthogonal_(projection)
        if one.tokenizer == "attention":
            self.queries = nn.Parameter(torch.randn(n_out, dim) / math.sqrt(dim))

    @property
    def n_tokens(self) -> int:
        """Return K, the tokens to be quantised; of a residual tokenizer its levels."""
        return self.n_heads + len(self.own_fields)

    def forward(self, parts: Tensor, history: Bags, item_table: Tensor) -> Tensor:
        """Return tokens (n, K, dim), (n, 1, dim) of a residual tokenizer.

        ``parts`` (n, 1 + n_fields, dim) are those of `QueryFeatures`, the history's first.
        """
        mixed = self.mixture(parts[:, : self.n_mixed].flatten(1)).unflatten(1, (-1, self.dim))
        if self.kind == "residual":
            whole: Tensor = parts[:, :1] + mixed
            return whole
        pooled = parts[:, :1].expand(-1, self.n_heads, -1)
        if self.kind == "attention":
            pooled = self._attend(history, item_table)
        heads = torch.einsum("nhd,hde->nhe", pooled, self.projections) + mixed
        tokens: Tensor = torch.cat(
            [heads, *(parts[:, 1 + one, None] for one in self.own_fields)], dim=1
        )
        return tokens

    def _attend(self, history: Bags, item_table: Tensor) -> Tensor:
        """Return one weighted mean of the history per head, (n, n_heads, dim); zeros of none."""
        n = history.offsets.numel()
        total = history.offsets.new_tensor([history.ids.numel()])
        lengths = torch.diff(torch.cat((history.offsets, total)))
        longest = int(lengths.max()) if n else 0
        if longest == 0:
            return item_table.new_zeros((n, self.n_heads, self.dim))
        at = torch.arange(longest, device=lengths.device)
        here = at < lengths[:, None]  # (n, longest)
        places = (history.offsets[:, None] + at).clamp_max(history.ids.numel() - 1)
        items = item_table[history.ids[places]]  # (n, longest, dim)
        logits = torch.einsum("nld,hd->nhl", items, self.queries.to(items.dtype))
        logits = (logits / math.sqrt(self.dim)).masked_fill(~here[:, None], -torch.inf)
        weights = torch.softmax(logits, dim=-1).nan_to_num(0.0)  # an empty history has no weights
        return weights @ items
