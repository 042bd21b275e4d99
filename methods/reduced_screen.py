"""Which inner products may exceed a bound, by products of bfloat16 and what they can err by."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from harness.lists import IntArray

ROUNDING = 2.0**-8  # relative, of a number put into bfloat16: half a unit of its 8 bits
UNIT = 2.0**-24  # relative, of a sum of float32
FEW_QUERIES = 128  # fewer do not pay for rounding the items


class Screen(NamedTuple):
    """Vectors (n, d) and (m, d) in bfloat16, and what codes of products above a margin exceed."""

    queries: Tensor
    items: Tensor
    bound: int

    def codes(self, rows: slice, columns: slice) -> IntArray:
        """Return the products as int16 (n_rows, n_columns), which order as positive ones do."""
        scores = self.queries[rows] @ self.items[columns].T
        codes: IntArray = scores.view(torch.int16).numpy()
        return codes


def screen_for(queries: Tensor, items: Tensor, margin: float) -> Screen | None:
    """Return a screen of ``queries @ items.T`` that no product above ``margin`` escapes.

    None where it would be of no use: bfloat16 is not fast, vectors are not of float32, queries are
    few, or vectors so long that rounding them loses more than the margin.

    A product errs by at most ``(2 u + u^2) |query| |item|`` for vectors rounded by ``u``, a sum of
    d products by d units of float32 more, and the result is rounded once more.

    Parameters
    ----------
    queries, items : (n, d) and (m, d), on the CPU.
    """
    if not multiplies_bfloat16_fast() or queries.dtype != torch.float32:
        return None
    if len(queries) < FEW_QUERIES or not len(items):
        return None
    longest = [float(torch.linalg.vector_norm(one, dim=1).max()) for one in (queries, items)]
    sums = 4 * queries.shape[1] * UNIT  # twice what adding up loses, here and where made in full
    lost = (2 * ROUNDING + ROUNDING**2 + sums) * longest[0] * longest[1]
    least = (margin - lost) * (1 - ROUNDING)
    if not np.finfo(np.float32).tiny < least < np.inf:
        return None
    code = int(np.float32(least).view(np.int32)) >> 16  # cut off, so not above
    return Screen(queries.bfloat16(), items.bfloat16(), code - 1)


def multiplies_bfloat16_fast() -> bool:
    """Return whether this CPU has matrix units for bfloat16 (AMX), which torch uses."""
    capabilities: Any = getattr(torch.cpu, "get_capabilities", dict)()
    onednn: Any = torch.backends.mkldnn
    return bool(capabilities.get("amx_bf16")) and bool(onednn.is_available() and onednn.enabled)
