"""Layout: lists laid one after another <-> a padded tensor, for the few steps that need one."""

from typing import NamedTuple, Self

import torch
from torch import Tensor

from methods.encoders.tensors import Bags


class Layout(NamedTuple):
    """Where n lists, N ids together, lie in (n, longest), each from the left.

    Attributes
    ----------
    lengths : int64 (n,)
    columns : int64 (N,), the place of each id in its list, from 0.
    places : int64 (N,), its place in the padded tensor, rows one after another.
    longest : length of the longest list.
    """

    lengths: Tensor
    columns: Tensor
    places: Tensor
    longest: int

    @classmethod
    def of(cls, bags: Bags) -> Self:
        """Return the layout of lists; on a GPU the program waits for the longest."""
        n_ids = bags.ids.numel()
        ends = torch.cat((bags.offsets[1:], bags.offsets.new_tensor([n_ids])))
        lengths = ends[: len(bags.offsets)] - bags.offsets
        longest = int(lengths.max()) if len(lengths) else 0
        rows = torch.repeat_interleave(lengths, output_size=n_ids)
        columns = torch.arange(n_ids, device=rows.device) - bags.offsets[rows]
        return cls(lengths, columns, rows * longest + columns, longest)

    def pad(self, values: Tensor) -> Tensor:
        """Return (n, longest, width) from (N, width), zeros where there is nothing."""
        n, width = len(self.lengths), values.shape[1]
        padded = values.new_zeros((n * self.longest, width)).index_copy(0, self.places, values)
        return padded.view(n, self.longest, width)

    def unpad(self, padded: Tensor) -> Tensor:
        """Return (N, width) from (n, longest, width)."""
        return padded.flatten(0, 1).index_select(0, self.places)

    def of_alike_lengths(self) -> tuple[Tensor, list["Layout"]]:
        """Return an order of the N ids, int64 (N,), in which lists of alike lengths lie together.

        And the layout of each such group, in that order. The lists of a group are longer than
        2^(b - 1) and not longer than 2^b for one b, so at most half of a padded row is padding;
        rows whose work grows with the square of the longest gain more. Empty lists are in no group.
        """
        group_of_list = torch.ceil(torch.log2(self.lengths.clamp_min(1).double())).long()
        group_of_id = torch.repeat_interleave(group_of_list, self.lengths)
        order = torch.argsort(group_of_id, stable=True)
        sizes = torch.bincount(group_of_id).tolist()
        columns, groups, start = self.columns[order], [], 0
        for group, size in enumerate(sizes):
            if size == 0:
                continue
            lengths = self.lengths[(group_of_list == group) & (self.lengths > 0)]
            longest = int(lengths.max())
            rows = torch.repeat_interleave(lengths)
            own = columns[start : start + size]
            groups.append(Layout(lengths, own, rows * longest + own, longest))
            start += size
        return order, groups
