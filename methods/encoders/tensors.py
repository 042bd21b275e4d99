"""Fields and lists as tensors on a device."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from harness.arrays import Array
from harness.fields import Categorical, Fields, MultiValued
from harness.lists import Lists


def placed(array: Array, device: str | torch.device) -> Tensor:
    """Return an array on a device; on the host it is not copied.

    The program does not wait for the copy, which what is done on the device afterwards does.
    """
    return torch.from_numpy(array).to(device, non_blocking=True)


@dataclass(frozen=True, slots=True)
class Bags:
    """n lists of ids: ``ids`` int64 (n_ids,), ``offsets`` int64 (n,) where each list starts."""

    ids: Tensor
    offsets: Tensor

    @classmethod
    def of(cls, lists: Lists, device: str) -> Self:
        """Copy lists to a device."""
        return cls(placed(lists.ids, device), placed(lists.indptr[:-1], device))


Columns = dict[str, Tensor | Bags]


def columns_of(fields: Fields | None, device: str) -> Columns:
    """Return the columns by name: ids (n,), bags of ids, or vectors (n, dim)."""
    columns: Columns = {}
    for name, column in ({} if fields is None else fields.columns).items():
        if isinstance(column, Categorical):
            columns[name] = placed(column.ids, device)
        elif isinstance(column, MultiValued):
            columns[name] = Bags.of(column.lists, device)
        else:
            columns[name] = placed(column.values, device)
    return columns
