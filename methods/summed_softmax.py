"""Softmax over scores that are weighted sums of a few shared rows, without the (n, m) matrix."""

from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from harness.lists import FloatArray, IntArray

MOST_DENSE = 1 << 15  # rows up to which a GPU adds up by a matrix product
MASKED = np.float32(-1e30)
LEAST = np.float32(-87.0)  # of an exponent: e^-87 is near the smallest normal float32


class SummedScores(NamedTuple):
    """Scores (n, m), of which row r is the sum over l of weights[r, l] * scores[places[r, l]].

    ``scores`` float (U, m); ``places`` int64 (n, L); ``weights`` float (n, L).
    """

    scores: Tensor
    places: Tensor
    weights: Tensor

    def dense(self) -> Tensor:
        """Return the sums, (n, m).

        On a GPU as a product with a dense (n, U) matrix, which is faster there than looking up.
        """
        scores, weights = self.scores, self.weights.to(self.scores.dtype)
        if scores.device.type == "cuda" and len(scores) <= MOST_DENSE:
            table = weights.new_zeros((len(weights), len(scores)))
            return table.scatter_add(1, self.places, weights) @ scores
        return functional.embedding_bag(self.places, scores, per_sample_weights=weights, mode="sum")


def softmax_of_sums(
    positive: Tensor,
    negative: SummedScores,
    log_expected: Tensor,
    excluded: tuple[Tensor, Tensor],
) -> Tensor:
    """Return `methods.losses.sampled_softmax` of summed scores, on the CPU, in one pass.

    A row of sums lives in the cache: it is made, turned into the loss and its gradient, and
    forgotten. That takes L * m multiply-adds a row forward and twice that backward, and memory for
    the gradient of ``negative.scores`` only. One thread works, in the order of rows: results do not
    depend on the number of threads.

    Parameters
    ----------
    positive : float32 (n,), scores of the targets.
    negative : of the m shared negatives.
    log_expected : float32 (m,), see `methods.losses`.
    excluded : rows, ascending, and columns, int64 (p,), of the pairs that do not count.
    """
    loss: Tensor = _SoftmaxOfSums.apply(  # type: ignore[no-untyped-call]
        positive,
        negative.scores,
        negative.weights,
        negative.places,
        log_expected,
        *excluded,
    )
    return loss


class _SoftmaxOfSums(torch.autograd.Function):
    """The gradient is there with the loss: backward only scales it."""

    @staticmethod
    def forward(
        ctx: Any,
        positive: Tensor,
        scores: Tensor,
        weights: Tensor,
        places: Tensor,
        log_expected: Tensor,
        rows: Tensor,
        columns: Tensor,
    ) -> Tensor:
        of_positive, of_weights = torch.empty_like(positive), torch.empty_like(weights)
        of_scores = torch.zeros_like(scores)
        loss = _loss_and_gradients(
            _array(positive),
            _array(scores),
            _array(weights),
            _array(places),
            _array(log_expected),
            _array(rows),
            _array(columns),
            of_positive.numpy(),
            of_scores.numpy(),
            of_weights.numpy(),
        )
        ctx.save_for_backward(of_positive, of_scores, of_weights)
        return positive.new_tensor(loss)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_positive, of_scores, of_weights = ctx.saved_tensors
        (scale,) = gradients
        return of_positive * scale, of_scores * scale, of_weights * scale, None, None, None, None


def _array(tensor: Tensor) -> Any:
    """Return a tensor as the kernel takes it."""
    return tensor.detach().contiguous().numpy()


_F, _F2, _I, _I2 = "float32[::1]", "float32[:,::1]", "int64[::1]", "int64[:,::1]"


@numba.njit(
    f"float32({_F},float32,int32[::1],{_F})",
    cache=True,
    nogil=True,
    fastmath={"contract", "reassoc", "nsz", "arcp"},
)
def _exponentials(row: FloatArray, most: float, bits: Any, powers: FloatArray) -> Any:
    """Overwrite ``row`` with e^(row - most), of arguments up to 0, and return the sum.

    2^y = 2^round(y) * 2^rest: the first by the bits of a float, the second by its series up to the
    sixth power, so that loops become vector instructions; relative error below 3e-7.
    """
    for column in range(row.size):
        y = max(row[column] - most, LEAST) * np.float32(1.4426950408889634)
        whole = np.int32(y - np.float32(0.5))  # towards zero: y is not above 0
        bits[column] = (whole + np.int32(127)) << np.int32(23)
        row[column] = (y - np.float32(whole)) * np.float32(0.6931471805599453)
    mass = np.float32(0)
    for column in range(row.size):
        x = row[column]
        series = np.float32(1 / 720)
        series = series * x + np.float32(1 / 120)
        series = series * x + np.float32(1 / 24)
        series = series * x + np.float32(1 / 6)
        series = series * x + np.float32(0.5)
        series = series * x + np.float32(1)
        series = series * x + np.float32(1)
        row[column] = series * powers[column]
        mass += row[column]
    return mass


@numba.njit(
    f"float64({_F},{_F2},{_F2},{_I2},{_F},{_I},{_I},{_F},{_F2},{_F2})",
    cache=True,
    nogil=True,
    fastmath={"contract", "reassoc", "nsz", "arcp"},
)
def _loss_and_gradients(
    positive: FloatArray,
    scores: FloatArray,
    weights: FloatArray,
    places: IntArray,
    log_expected: FloatArray,
    excluded_rows: IntArray,
    excluded_columns: IntArray,
    of_positive: FloatArray,
    of_scores: FloatArray,
    of_weights: FloatArray,
) -> Any:
    """Return the mean loss; write its gradients, adding to ``of_scores``."""
    n, length = places.shape
    m = log_expected.size
    row = np.empty(m, np.float32)
    bits = np.empty(m, np.int32)
    powers = bits.view(np.float32)
    total, pair = 0.0, 0
    for query in range(n):
        for column in range(m):
            row[column] = -log_expected[column]
        for place in range(length):
            weight, source = weights[query, place], scores[places[query, place]]
            for column in range(m):
                row[column] += weight * source[column]
        while pair < excluded_rows.size and excluded_rows[pair] == query:
            row[excluded_columns[pair]] = MASKED
            pair += 1
        most = positive[query]
        for column in range(m):
            most = max(most, row[column])
        own = np.exp(positive[query] - most)
        others = _exponentials(row, most, bits, powers)
        mass = own + others
        total += np.log(np.float64(own) + others) + (most - positive[query])
        of_positive[query] = -others / (mass * np.float32(n))
        share = np.float32(1) / (mass * np.float32(n))
        for column in range(m):
            row[column] *= share
        for place in range(length):
            weight, source = weights[query, place], scores[places[query, place]]
            gradient = of_scores[places[query, place]]
            product = np.float32(0)
            for column in range(m):
                gradient[column] += weight * row[column]
                product += row[column] * source[column]
            of_weights[query, place] = product
    return total / n
