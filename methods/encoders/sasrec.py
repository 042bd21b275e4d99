"""SASRec: a causal transformer over the items of a history."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from methods.encoders.layout import Layout
from methods.encoders.params import Norm, Positions
from methods.encoders.sequential import SequentialEncoder


class SASRec(SequentialEncoder):
    """Blocks of causal self-attention over items and learned positions; a query is the last state.

    Items enter as sqrt(dim) times their vector, which is also what they are scored by, plus the
    vector of their position. ``from_end`` is the paper's numbering, which fills a window of
    ``max_history`` from the right: the last item of a history has the last position. With
    ``from_start`` the first has the first, so a history and the same one within a longer sequence
    are encoded alike.

    With ``norm = "pre"`` a block is the paper's: x + Dropout(g(LayerNorm(x))), and the last state
    is normalised; with ``"post"`` it is LayerNorm(x + Dropout(g(x))), as in BERT4Rec and S3-Rec,
    and the inputs are normalised. The paper's code departs from its equation, and so does
    ``"queries"``: attention's queries alone are normalised, not its keys and values, residuals are
    added to what was normalised, and what attention adds is not dropped; the last state is
    normalised. Attention here has an output projection, which the paper's single head does without.

    References
    ----------
    Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018, eq. 1 to 6 and sec. 3.
    """

    def __init__(
        self,
        dim: int,
        max_history: int,
        *,
        n_layers: int,
        n_heads: int,
        dropout: float,
        norm: Norm,
        positions: Positions,
        init_std: float,
    ) -> None:
        """Take the longest history; ``dropout`` is of inputs, attention weights and residuals."""
        super().__init__()
        self.positions = nn.Embedding(max_history, dim)
        nn.init.normal_(self.positions.weight, std=init_std)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, n_heads, dropout, norm) for _ in range(n_layers))
        self.norm_inputs = nn.LayerNorm(dim) if norm == "post" else nn.Identity()
        self.norm_states = nn.Identity() if norm == "post" else nn.LayerNorm(dim)
        self._from_end = positions == "from_end"

    def states(self, ids: Tensor, item_table: Tensor, layout: Layout) -> Tensor:
        """See `SequentialEncoder`."""
        items = functional.embedding(ids, item_table) * math.sqrt(item_table.shape[1])
        places = layout.columns
        if self._from_end:
            lengths = torch.repeat_interleave(layout.lengths, layout.lengths, output_size=len(ids))
            places = places + self.positions.num_embeddings - lengths
        states = self.dropout(self.norm_inputs(items + self.positions(places)))
        groups = [layout]
        grouped = ids.device.type == "cpu" and len(layout.lengths) > 1  # a GPU has launches to save
        if grouped:
            order, groups = layout.of_alike_lengths()
            states = states.index_select(0, order)
        for block in self.blocks:
            states = block(states, groups)
        if grouped:
            states = states.index_select(0, torch.argsort(order))
        normalised: Tensor = self.norm_states(states)
        return normalised


class Block(nn.Module):
    """Self-attention, then a perceptron at each position, both beside a residual connection.

    Sequences lie one after another, (N, dim), group after group, and each group is padded on the
    right for attention alone: a position attends to none after it, so none of a sequence attends to
    its padding.
    """

    def __init__(self, dim: int, n_heads: int, dropout: float, norm: Norm) -> None:
        """Take the number of heads, which divides ``dim``."""
        super().__init__()
        self.attention_norm, self.perceptron_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.inputs, self.output = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.perceptron = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(dim, dim)
        )
        self.dropout = nn.Dropout(dropout)
        self._n_heads, self._norm = n_heads, norm

    def forward(self, states: Tensor, groups: list[Layout]) -> Tensor:
        """Return (N, dim) from (N, dim)."""
        out: Tensor
        if self._norm == "pre":
            attended = self._attend(self.inputs(self.attention_norm(states)), groups)
            states = states + self.dropout(attended)
            out = states + self.dropout(self.perceptron(self.perceptron_norm(states)))
        elif self._norm == "post":
            attended = self._attend(self.inputs(states), groups)
            states = self.attention_norm(states + self.dropout(attended))
            out = self.perceptron_norm(states + self.dropout(self.perceptron(states)))
        else:
            asking = self.attention_norm(states)
            states = asking + self._attend(self._inputs_of(asking, states), groups)
            states = self.perceptron_norm(states)
            out = states + self.dropout(self.perceptron(states))
        return out

    def _inputs_of(self, asking: Tensor, asked: Tensor) -> Tensor:
        """Return queries of the one, keys and values of the other, (N, 3 * dim)."""
        dim = asking.shape[1]
        weight, bias = self.inputs.weight, self.inputs.bias
        queries = functional.linear(asking, weight[:dim], bias[:dim])
        return torch.cat((queries, functional.linear(asked, weight[dim:], bias[dim:])), dim=1)

    def _attend(self, inputs: Tensor, groups: list[Layout]) -> Tensor:
        parts = torch.split(inputs, [len(group.columns) for group in groups])
        attended = [
            self._attend_alike(part, group) for part, group in zip(parts, groups, strict=True)
        ]
        out: Tensor = self.output(torch.cat(attended) if len(attended) > 1 else attended[0])
        return out

    def _attend_alike(self, inputs: Tensor, layout: Layout) -> Tensor:
        """Return what each of n positions attends to, (n, dim), from (n, 3 * dim)."""
        padded = layout.pad(inputs)  # (lists, longest, 3 * dim)
        shape = (len(padded), layout.longest, 3, self._n_heads, -1)
        queries, keys, values = padded.view(shape).permute(2, 0, 3, 1, 4)
        heads = functional.scaled_dot_product_attention(
            queries,
            keys,
            values,
            dropout_p=self.dropout.p if self.training else 0.0,
            is_causal=True,
        )
        return layout.unpad(heads.transpose(1, 2).flatten(2))
