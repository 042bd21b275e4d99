"""The best items of each of some codes, out of blocks of scores that come in any order."""

from typing import NamedTuple, Protocol

import numba
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from harness.errors import MethodError
from harness.lists import FloatArray, IntArray
from methods.sparcode.index.cut import LOW_BITS

Int32Array = npt.NDArray[np.int32]


class SomeLists(NamedTuple):
    """Lists one after another: ``lengths`` int64 (n,), ``items`` int32 ascending, ``scores``."""

    lengths: IntArray
    items: Int32Array
    scores: FloatArray


class BestOfCodes(Protocol):
    """Keeps of each code the best items offered; every item is offered once, or never.

    A posting is one whole number while it is held, ``bits of the score << 32 | (2^32 - 1 - id)``:
    bits of positive floats are ordered as the floats are, so larger is better and of equal scores
    the smaller id is.
    """

    def offer(self, scores: Tensor, item_ids: Int32Array, rows: IntArray) -> None:
        """Take scores float32 (n, m) of the codes at ``rows`` (n,), distinct, and items' ids (m,).

        Raises
        ------
        MethodError
            A score is NaN or infinite (minus infinity is a score: the item is out).
        """

    def bars(self) -> FloatArray:
        """Return for each code what an item must reach to be kept, float32; 0: exceed."""

    def finish(self) -> SomeLists:
        """Return what is kept."""


def best_of_codes(
    device: torch.device, n_codes: int, kept: int, n_items: int, floor: np.float32
) -> BestOfCodes:
    """Return what keeps ``kept`` items of each code, of those that reach ``floor`` and exceed 0."""
    if device.type == "cpu":
        return HostBest(n_codes, kept, n_items, floor)
    return DeviceBest(device, n_codes, kept, n_items, floor)


class HostBest:
    """By numba: a buffer of up to 2 * kept postings a code, and a bar that rises as it is full."""

    def __init__(self, n_codes: int, kept: int, n_items: int, floor: np.float32) -> None:
        """Hold nothing."""
        self._kept = kept
        self._keys = np.empty((n_codes, min(2 * kept, n_items)), np.int64)
        self._counts = np.zeros(n_codes, np.int64)
        self._bars = np.full(n_codes, floor, np.float32)

    def offer(self, scores: Tensor, item_ids: Int32Array, rows: IntArray) -> None:
        """See `BestOfCodes`."""
        block = scores.detach().contiguous().numpy()
        bits, held = block.view(np.int32), (self._keys, self._counts, self._bars)
        if _offer(block, bits, item_ids, rows, *held, self._kept).any():
            _refuse()

    def bars(self) -> FloatArray:
        """See `BestOfCodes`."""
        _tighten(self._keys, self._counts, self._bars, self._kept)
        return self._bars

    def finish(self) -> SomeLists:
        """See `BestOfCodes`."""
        _tighten(self._keys, self._counts, self._bars, self._kept)
        starts = np.concatenate(([0], np.cumsum(self._counts))).astype(np.int64)
        items, bits = _by_id(self._keys, starts)
        return SomeLists(self._counts, items, bits.view(np.float32))


class DeviceBest:
    """By torch operations, on a device; only what is kept comes back to the host."""

    def __init__(
        self, device: torch.device, n_codes: int, kept: int, n_items: int, floor: np.float32
    ) -> None:
        """Hold nothing."""
        self._device, self._floor, self._kept = device, float(floor), kept
        self._keys = torch.full((n_codes, kept), -1, dtype=torch.int64, device=device)
        del n_items  # the host's buffer is sized by it; nothing overflows here

    def offer(self, scores: Tensor, item_ids: Int32Array, rows: IntArray) -> None:
        """See `BestOfCodes`."""
        if not bool((scores < torch.inf).all()):
            _refuse()
        block = scores.detach().contiguous()
        ids = torch.from_numpy(np.asarray(item_ids, np.int64)).to(self._device)
        keys = (block.view(torch.int32).to(torch.int64) << 32) | (LOW_BITS - ids)
        keys = torch.where((block > 0) & (block >= self._floor), keys, -1)
        at = torch.from_numpy(rows).to(self._device)
        joined = torch.cat((self._keys[at], keys), dim=1)
        self._keys[at] = joined.topk(self._kept, dim=1).values

    def bars(self) -> FloatArray:
        """See `BestOfCodes`."""
        bars = (self._keys[:, -1].clamp_min(0) >> 32).to(torch.int32).view(torch.float32)
        return np.asarray(bars.clamp_min(self._floor).cpu().numpy())

    def finish(self) -> SomeLists:
        """See `BestOfCodes`."""
        found = self._keys >= 0
        ids = torch.where(found, LOW_BITS - (self._keys & LOW_BITS), LOW_BITS)
        ids, order = ids.sort(dim=1)  # what is no posting comes last
        scores = (self._keys.gather(1, order) >> 32).to(torch.int32).view(torch.float32)
        kept = ids < LOW_BITS
        return SomeLists(
            found.sum(1).cpu().numpy(),
            ids[kept].to(torch.int32).cpu().numpy(),
            scores[kept].cpu().numpy(),
        )


def _refuse() -> None:
    raise MethodError(
        "the interaction gave a score that is not finite, which has no place in a list"
    )


# With signatures numba compiles on import, so that no timed build pays for it.
_M, _MI, _ML = "float32[:,::1]", "int32[:,::1]", "int64[:,::1]"
_V, _L, _RI = "float32[::1]", "int64[::1]", "Array(int32, 1, 'C', readonly=True)"


@numba.njit(f"void({_L}, int64, int64)", cache=True, nogil=True)
def _compress(keys: IntArray, count: int, kept: int) -> None:
    """Keep the ``kept`` largest of ``count`` keys at the front, in their order."""
    bar = np.partition(keys[:count], count - kept)[count - kept]
    place = 0
    for at in range(count):
        if keys[at] >= bar:
            keys[place] = keys[at]
            place += 1


@numba.njit(f"float32({_L}, int64)", cache=True, nogil=True)
def _least(keys: IntArray, count: int) -> np.float32:
    """Return the least score among the first ``count`` keys."""
    bits = np.empty(1, np.int32)
    bits[0] = keys[:count].min() >> 32
    return np.float32(bits.view(np.float32)[0])


@numba.njit(
    f"bool_[::1]({_M}, {_MI}, {_RI}, {_L}, {_ML}, {_L}, {_V}, int64)", parallel=True, cache=True
)
def _offer(
    block: FloatArray,
    bits: Int32Array,
    ids: Int32Array,
    rows: IntArray,
    keys: IntArray,
    counts: IntArray,
    bars: FloatArray,
    kept: int,
) -> npt.NDArray[np.bool_]:
    """Hold what reaches its code's bar; say of which codes a score was not finite."""
    bad = np.zeros(block.shape[0], np.bool_)
    for at in numba.prange(block.shape[0]):
        row = rows[at]
        count, bar = counts[row], bars[row]
        for column in range(block.shape[1]):
            value = block[at, column]
            if value < bar or value <= 0.0:
                continue
            if not value < np.inf:  # NaN comes here too
                bad[at] = True
                break
            if count == keys.shape[1]:
                _compress(keys[row], count, kept)
                count = kept
                bar = _least(keys[row], count)
                if value < bar:
                    continue
            keys[row, count] = (np.int64(bits[at, column]) << 32) | (LOW_BITS - ids[column])
            count += 1
        counts[row], bars[row] = count, bar
    return bad


@numba.njit(f"void({_ML}, {_L}, {_V}, int64)", parallel=True, cache=True)
def _tighten(keys: IntArray, counts: IntArray, bars: FloatArray, kept: int) -> None:
    """Leave no code more than ``kept`` postings, and raise the bars of those that have as many."""
    for row in numba.prange(counts.size):
        if counts[row] > kept:
            _compress(keys[row], counts[row], kept)
            counts[row] = kept
        if counts[row] == kept:
            bars[row] = _least(keys[row], kept)


@numba.njit(f"Tuple((int32[::1], int32[::1]))({_ML}, {_L})", parallel=True, cache=True)
def _by_id(keys: IntArray, starts: IntArray) -> tuple[Int32Array, Int32Array]:
    """Return ids and the bits of scores of all lists, each list by id; keys are lost."""
    ids, bits = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.int32)
    for row in numba.prange(starts.size - 1):
        count, in_order = starts[row + 1] - starts[row], True
        for at in range(count):
            key = keys[row, at]
            keys[row, at] = ((LOW_BITS - (key & LOW_BITS)) << 32) | (key >> 32)  # id first
            in_order = in_order and (at == 0 or keys[row, at] > keys[row, at - 1])
        own = keys[row, :count]
        if not in_order:
            own = np.sort(own)
        for at in range(count):
            ids[starts[row] + at] = own[at] >> 32
            bits[starts[row] + at] = own[at] & LOW_BITS
    return ids, bits
