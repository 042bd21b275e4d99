"""SequentialEncoder: what encoders that read a history in order share."""

from abc import abstractmethod

from torch import Tensor

from methods.encoders.history import HistoryEncoder
from methods.encoders.layout import Layout
from methods.encoders.tensors import Bags


class SequentialEncoder(HistoryEncoder):
    """One pass over a history gives a vector at each position, from what stands up to there."""

    @abstractmethod
    def states(self, ids: Tensor, item_table: Tensor, layout: Layout) -> Tensor:
        """Return (N, dim), the vector at each of the N positions; there is at least one.

        A position's vector depends on its list's items up to it alone, and on its place.
        """

    def forward(self, history: Bags, item_table: Tensor, positions: Tensor | None) -> Tensor:
        """See `HistoryEncoder`."""
        layout = Layout.of(history)
        n, dim = len(layout.lengths), item_table.shape[1]
        if layout.longest == 0:
            return item_table.new_zeros((n if positions is None else 0, dim))
        states = self.states(history.ids, item_table, layout)
        if positions is not None:
            return states.index_select(0, positions)
        last = (history.offsets + layout.lengths - 1).clamp_min(0)
        return states.index_select(0, last) * (layout.lengths > 0)[:, None]
