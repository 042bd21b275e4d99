"""Fields and lists as tensors on a device."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from harness.fields import Categorical, Fields, MultiValued
from harness.lists import Lists


@dataclass(frozen=True, slots=True)
class Bags:
    """n lists of ids: ``ids`` int64 (n_ids,), ``offsets`` int64 (n,) where each list starts."""

    ids: Tensor
    offsets: Tensor

    @classmethod
    def of(cls, lists: Lists, device: str) -> Self:
        """Copy lists to a device."""
        ids, offsets = torch.from_numpy(lists.ids), torch.from_numpy(lists.indptr[:-1])
        return cls(ids.to(device), offsets.to(device))


Columns = dict[str, Tensor | Bags]


def columns_of(fields: Fields | None, device: str) -> Columns:
    """Return the columns by name: ids (n,), bags of ids, or vectors (n, dim)."""
    columns: Columns = {}
    for name, column in ({} if fields is None else fields.columns).items():
        if isinstance(column, Categorical):
            columns[name] = torch.from_numpy(column.ids).to(device)
        elif isinstance(column, MultiValued):
            columns[name] = Bags.of(column.lists, device)
        else:
            columns[name] = torch.from_numpy(column.values).to(device)
    return columns
