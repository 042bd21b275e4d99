"""The split first layer: sum_h w_h relu(a_rh + b_sh) for all pairs (r, s), fused on the CPU.

An MLP's first layer on [token; item] is W_c token + W_i item, so it is computed per token and per
item, not per pair. What is left per pair is an addition, a ReLU and a weighted sum. Done by tensor
operations that is memory traffic of n_r * n_s * H numbers several times over; here it stays in
registers, forward and backward, and pairs whose gradient is zero cost nothing.
"""

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from harness.lists import FloatArray


def split_mlp(a: Tensor, b: Tensor, w: Tensor) -> Tensor:
    """Return (n_r, n_s) from a (n_r, H), b (n_s, H) and w (H,); differentiable in all three.

    On the CPU in float32, also of inputs that autocast made bfloat16.
    """
    if a.device.type != "cpu":
        return torch.relu(a[:, None] + b[None]) @ w
    scores: Tensor = _SplitMLP.apply(a.float(), b.float(), w.float())  # type: ignore[no-untyped-call]
    return scores


class _SplitMLP(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(a, b, w)
        arrays = [tensor.detach().contiguous().numpy() for tensor in (a, b, w)]
        return torch.from_numpy(_forward(*arrays))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, b, w = (tensor.detach().contiguous().numpy() for tensor in ctx.saved_tensors)
        g = gradients[0].contiguous().numpy()
        grad_a, grad_w = _backward_left(a, b, w, g)
        grad_b = _backward_right(b, a, w, np.ascontiguousarray(g.T))
        return (
            torch.from_numpy(grad_a),
            torch.from_numpy(grad_b),
            torch.from_numpy(grad_w.sum(axis=0)),
        )


# With signatures numba compiles on import, so that no timed fit pays for it.
_M, _V = "float32[:,::1]", "float32[::1]"


@numba.njit(f"{_M}({_M},{_M},{_V})", parallel=True, fastmath=True, cache=True)
def _forward(a: FloatArray, b: FloatArray, w: FloatArray) -> FloatArray:
    out = np.empty((a.shape[0], b.shape[0]), np.float32)
    for r in numba.prange(a.shape[0]):
        for s in range(b.shape[0]):
            total = np.float32(0.0)
            for h in range(w.size):
                total += w[h] * max(a[r, h] + b[s, h], np.float32(0.0))
            out[r, s] = total
    return out


@numba.njit(f"UniTuple({_M},2)({_M},{_M},{_V},{_M})", parallel=True, fastmath=True, cache=True)
def _backward_left(
    a: FloatArray, b: FloatArray, w: FloatArray, g: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the gradient of a, (n_r, H), and that of w before its sum over r, (n_r, H)."""
    grad_a = np.zeros(a.shape, np.float32)
    grad_w = np.zeros(a.shape, np.float32)
    for r in numba.prange(a.shape[0]):
        for s in range(b.shape[0]):
            gradient = g[r, s]
            if gradient != 0.0:
                for h in range(w.size):
                    value = a[r, h] + b[s, h]
                    grad_a[r, h] += gradient if value > 0.0 else np.float32(0.0)
                    grad_w[r, h] += gradient * max(value, np.float32(0.0))
        for h in range(w.size):
            grad_a[r, h] *= w[h]
    return grad_a, grad_w


@numba.njit(f"{_M}({_M},{_M},{_V},{_M})", parallel=True, fastmath=True, cache=True)
def _backward_right(b: FloatArray, a: FloatArray, w: FloatArray, g: FloatArray) -> FloatArray:
    """Return the gradient of b, (n_s, H), from the transposed gradient of the scores."""
    grad_b = np.zeros(b.shape, np.float32)
    for s in numba.prange(b.shape[0]):
        for r in range(a.shape[0]):
            gradient = g[s, r]
            if gradient != 0.0:
                for h in range(w.size):
                    grad_b[s, h] += gradient if a[r, h] + b[s, h] > 0.0 else np.float32(0.0)
        for h in range(w.size):
            grad_b[s, h] *= w[h]
    return grad_b
