"""GRU4Rec: a recurrent network over the items of a history."""

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from methods.encoders.layout import Layout
from methods.encoders.sequential import SequentialEncoder


class GRU4Rec(SequentialEncoder):
    """Gated recurrent units over the items' vectors; a linear map makes a query of the state.

    In the paper a step's input is the item in a code of one bit and the output has weights of its
    own. Here the input is the item's vector, and items are scored by the same vectors, which is the
    form in which GRU4Rec stands in later comparisons; sessions are histories of users.

    References
    ----------
    Hidasi, Karatzoglou, Baltrunas and Tikk, "Session-based Recommendations with Recurrent Neural
    Networks", ICLR 2016, eq. 1 to 4.
    """

    def __init__(self, dim: int, width: int, n_layers: int, dropout: float) -> None:
        """Take the units of a layer, ``width``; ``dropout`` is of items, and between layers."""
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        between = dropout if n_layers > 1 else 0.0
        self.gru = nn.GRU(dim, width, n_layers, batch_first=True, dropout=between)
        self.output = nn.Linear(width, dim)

    def states(self, ids: Tensor, item_table: Tensor, layout: Layout) -> Tensor:
        """See `SequentialEncoder`."""
        items = layout.pad(self.dropout(functional.embedding(ids, item_table)))
        lengths = layout.lengths.clamp_min(1).cpu()  # torch takes no empty sequence
        packed = pack_padded_sequence(items, lengths, batch_first=True, enforce_sorted=False)
        with _in_float32():
            run = self.gru(packed)[0]
        padded, _ = pad_packed_sequence(run, batch_first=True, total_length=layout.longest)
        states: Tensor = self.output(layout.unpad(padded))
        return states


def _in_float32() -> AbstractContextManager[None]:
    """Have cuDNN not round to TF32 inside, whose rounding goes with the size of a batch.

    A trial has it off altogether, gradients included (`harness.measure.precision`); this is for
    those who use the encoder without one.
    """
    cudnn = torch.backends.cudnn
    flags: AbstractContextManager[None] = cudnn.flags(
        enabled=cudnn.enabled,
        benchmark=cudnn.benchmark,
        deterministic=cudnn.deterministic,
        allow_tf32=False,
    )
    return flags
