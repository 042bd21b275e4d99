"""Vectors of length 1; on the CPU with a gradient that goes through them once."""

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from harness.lists import FloatArray

LEAST_LENGTH = 1e-12  # below which a vector stays nearly as it is where others get the length 1


def unit_rows(vectors: Tensor) -> Tensor:
    """Return the rows of ``vectors``, (n, d), over their lengths or `LEAST_LENGTH`."""
    if vectors.device.type == "cpu" and vectors.dtype == torch.float32 and vectors.requires_grad:
        unit: Tensor = _UnitRows.apply(vectors)  # type: ignore[no-untyped-call]
        return unit
    return functional.normalize(vectors, dim=1, eps=LEAST_LENGTH)


class _UnitRows(torch.autograd.Function):
    """The value is torch's; the gradient is (g - <g, y> y) / length of a row y, not y alone."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor) -> Tensor:
        lengths = torch.linalg.vector_norm(vectors, dim=1).clamp_(min=LEAST_LENGTH)
        unit: Tensor = vectors / lengths[:, None]
        ctx.save_for_backward(unit, lengths)
        return unit

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        unit, lengths = (one.detach() for one in ctx.saved_tensors)
        given = gradients[0].detach().contiguous()
        of_vectors = torch.empty_like(given)
        tables = unit.contiguous().numpy(), given.numpy(), of_vectors.numpy()
        _fill_gradient(*tables, lengths.numpy())
        return of_vectors


@numba.njit(
    "void(float32[:,::1],float32[:,::1],float32[:,::1],float32[::1])",
    cache=True,
    nogil=True,
    fastmath={"contract", "reassoc", "nsz"},
)
def _fill_gradient(
    unit: FloatArray, given: FloatArray, result: FloatArray, lengths: FloatArray
) -> None:
    """Fill ``result``; a row at the least length was divided by a constant."""
    n, d = unit.shape
    for row in range(n):
        along = np.float32(0.0)
        if lengths[row] > np.float32(LEAST_LENGTH):
            for k in range(d):
                along += given[row, k] * unit[row, k]
        share = np.float32(1.0) / lengths[row]
        for k in range(d):
            result[row, k] = (given[row, k] - along * unit[row, k]) * share
