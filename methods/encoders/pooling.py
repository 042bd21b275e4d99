"""The mean vector of each of many lists; on the CPU with a gradient that sorts nothing."""

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from harness.lists import FloatArray, IntArray
from methods.encoders.tensors import Bags


def mean_of_bags(bags: Bags, weight: Tensor) -> Tensor:
    """Return the mean vector of each bag, (n, dim); zeros for an empty one.

    torch sorts all ids for the gradient of ``weight``, which takes longer than adding it up where
    a dense table is its result anyway.
    """
    if bags.offsets.numel() == 0:
        return weight.new_zeros((0, weight.shape[1]))
    if weight.device.type == "cpu" and weight.dtype == torch.float32 and weight.requires_grad:
        mean: Tensor = _MeanOfBags.apply(weight, bags.ids, bags.offsets)  # type: ignore[no-untyped-call]
        return mean
    return _mean(bags.ids, weight, bags.offsets)


def _mean(ids: Tensor, weight: Tensor, offsets: Tensor) -> Tensor:
    return functional.embedding_bag(ids, weight, offsets, mode="mean")


class _MeanOfBags(torch.autograd.Function):
    """The value is torch's; the gradient is added in the order of ids."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor, offsets: Tensor) -> Tensor:
        ctx.save_for_backward(ids, offsets)
        ctx.shape = weight.shape
        return _mean(ids, weight.detach(), offsets)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        ids, offsets = ctx.saved_tensors
        of_weight = torch.zeros(ctx.shape)
        of_means = gradients[0].detach().contiguous()
        _add_rows(of_weight.numpy(), of_means.numpy(), ids.numpy(), offsets.numpy())
        return of_weight, None, None


@numba.njit(
    "void(float32[:,::1],float32[:,::1],int64[:],int64[:])",
    cache=True,
    nogil=True,
    fastmath={"contract"},
)
def _add_rows(table: FloatArray, rows: FloatArray, ids: IntArray, offsets: IntArray) -> None:
    """Add to the row of each id its list's row over the list's length."""
    n, dim = rows.shape
    for one in range(n):
        end = offsets[one + 1] if one + 1 < n else ids.size
        if end == offsets[one]:
            continue
        share = np.float32(1.0) / np.float32(end - offsets[one])
        for place in range(offsets[one], end):
            row = table[ids[place]]
            for column in range(dim):
                row[column] += share * rows[one, column]
