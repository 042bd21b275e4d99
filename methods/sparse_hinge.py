"""Hinge over inner products of which few exceed the margin: in tiles, with its gradients."""

from typing import Any, NamedTuple

import numba
import numpy as np
import torch
from torch import Tensor

from harness.lists import FloatArray, IntArray
from methods.reduced_screen import Screen, screen_for

CHUNK, SCREENED_CHUNK = 64, 128  # scores whose largest is looked at first
# Above this share of scores beyond the margin, products of matrices are faster: a pair costs as
# much as some tens of multiply-adds of a product, of which there are two.
FEW = 1 / 16
TILE_SCORES = 1 << 20  # held at once: 4 MiB of float32, which caches hold
TILE_ROWS = 1 << 10


class Hinge(NamedTuple):
    """The loss, and its gradients by queries (n, d) and items (m, d)."""

    loss: float
    of_queries: Tensor
    of_items: Tensor


class _Tile(NamedTuple):
    """Vectors of some rows and columns, their gradients, and what a score of a row weighs."""

    queries: Tensor
    items: Tensor
    of_queries: Tensor
    of_items: Tensor
    weights: Tensor


def hinge_in_tiles(
    queries: Tensor,
    items: Tensor,
    margin: float,
    excluded: tuple[Tensor, Tensor],
    tile_scores: int = TILE_SCORES,
) -> Hinge:
    """Return the mean of rows of the mean of max(0, score - margin) over the items that count.

    Scores, ``queries @ items.T``, are made a tile at a time, and read while a cache holds them.
    Where those above the margin were few in the tile before they are looked up in one pass, by one
    thread; where not, the gradients are two more products of matrices.

    Parameters
    ----------
    queries, items : (n, d) and (m, d), on the CPU, contiguous, both float32 or both float64.
    excluded : rows, ascending, and columns, int64 (p,), of the pairs that do not count; a pair may
        be named twice.
    tile_scores : held at once, at least a row of one item.
    """
    n, m = len(queries), len(items)
    queries, items = queries.detach(), items.detach()
    of_queries, of_items = torch.zeros_like(queries), torch.zeros_like(items)
    height = max(1, min(n, TILE_ROWS, tile_scores))
    width = max(1, min(m, tile_scores // height))
    space = queries.new_empty(height * width)
    screen = screen_for(queries, items, margin)
    rows, columns = (one.numpy() for one in excluded)
    loss, share_above = 0.0, 0.0
    for top in range(0, n, height):
        block = slice(top, min(top + height, n))
        own = slice(*np.searchsorted(rows, (block.start, block.stop)))
        pairs = _in_tiles(rows[own] - top, columns[own], block.stop - top, m, width)
        kept, starts, of_rows, of_columns = pairs
        weights = torch.from_numpy(1 / (n * np.maximum(kept, 1))).to(queries.dtype)
        for number, left in enumerate(range(0, m, width)):
            here = slice(left, min(left + width, m))
            tile = _Tile(queries[block], items[here], of_queries[block], of_items[here], weights)
            named = slice(starts[number], starts[number + 1])
            pairs_here = of_rows[named], of_columns[named]
            n_scores = len(tile.queries) * len(tile.items)
            if screen is not None and share_above <= FEW:
                added, n_above = _screened(screen, (block, here), pairs_here, margin, tile)
            else:
                scores = space[:n_scores].view(len(tile.queries), -1)
                torch.mm(tile.queries, tile.items.T, out=scores)
                scores.numpy()[pairs_here] = -np.inf
                add = _looked_up if share_above <= FEW else _multiplied
                added, n_above = add(scores, margin, tile)
            loss += added
            share_above = n_above / n_scores
    return Hinge(loss, of_queries, of_items)


def _screened(
    screen: Screen,
    place: tuple[slice, slice],
    excluded: tuple[IntArray, IntArray],
    margin: float,
    tile: _Tile,
) -> tuple[float, int]:
    """Add the gradients of a tile; return its loss, and the scores that had to be made in full."""
    codes = screen.codes(*place)
    codes[excluded] = np.iinfo(np.int16).min
    vectors = (one.numpy() for one in tile)
    loss, n_made = _add_screened(codes, screen.bound, margin, *vectors)
    return float(loss), int(n_made)


def _looked_up(scores: Tensor, margin: float, tile: _Tile) -> tuple[float, int]:
    """Add the gradients of a tile; return its loss, and the scores above the margin."""
    loss, n_above = _add_above(scores.numpy(), margin, *(one.numpy() for one in tile))
    return float(loss), int(n_above)


def _multiplied(scores: Tensor, margin: float, tile: _Tile) -> tuple[float, int]:
    """See `_looked_up`; ``scores`` are overwritten."""
    scores.sub_(margin).clamp_(min=0)
    loss = float(scores.sum(dim=1) @ tile.weights)
    n_above = int(scores.sign_().sum())
    scores.mul_(tile.weights[:, None])
    tile.of_queries.addmm_(scores, tile.items)
    tile.of_items.addmm_(scores.T, tile.queries)
    return loss, n_above


@numba.njit(
    "Tuple((int64[::1],int64[::1],int64[::1],int64[::1]))(int64[:],int64[:],int64,int64,int64)",
    cache=True,
    nogil=True,
)
def _in_tiles(rows: IntArray, columns: IntArray, n: int, m: int, width: int) -> Any:
    """Return the columns of each row that no pair names, and the pairs tile by tile.

    The pairs, whose rows ascend and may repeat, come as where each tile's start, their rows, and
    their columns within their tile of ``width`` columns.
    """
    kept = np.full(n, m, np.int64)
    last_row = np.full(m, -1, np.int64)  # that named the column
    n_tiles = (m + width - 1) // width
    starts = np.zeros(n_tiles + 1, np.int64)
    for pair in range(rows.size):
        row, column = rows[pair], columns[pair]
        kept[row] -= last_row[column] != row
        last_row[column] = row
        starts[column // width + 1] += 1
    starts = np.cumsum(starts)
    ends = starts[:-1].copy()
    of_rows, of_columns = np.empty_like(rows), np.empty_like(columns)
    for pair in range(rows.size):
        tile = columns[pair] // width
        of_rows[ends[tile]], of_columns[ends[tile]] = rows[pair], columns[pair] - tile * width
        ends[tile] += 1
    return kept, starts, of_rows, of_columns


# Largest of a chunk: its order does not matter, so it may become vector instructions.
@numba.njit(
    ["boolean(float32[::1],float32)", "boolean(float64[::1],float64)"],
    cache=True,
    nogil=True,
    fastmath={"nnan", "nsz", "reassoc"},
)
def _any_above(chunk: FloatArray, margin: float) -> Any:
    n_above = 0
    for place in range(chunk.size):
        n_above += chunk[place] > margin
    return n_above > 0


@numba.njit(
    [
        f"Tuple((float64,int64))({f}[:,::1],float64"
        f",{f}[:,::1],{f}[:,::1],{f}[:,::1],{f}[:,::1],{f}[::1])"
        for f in ("float32", "float64")
    ],
    cache=True,
    nogil=True,
)
def _add_above(
    scores: FloatArray,
    margin: float,
    queries: FloatArray,
    items: FloatArray,
    of_queries: FloatArray,
    of_items: FloatArray,
    weights: FloatArray,
) -> Any:
    """See `_looked_up`."""
    b, m = scores.shape
    d = queries.shape[1]
    bound: Any = scores.dtype.type(margin)
    loss: Any = 0.0
    n_above = 0
    for row in range(b):
        weight = weights[row]
        above: Any = 0.0
        for start in range(0, m, CHUNK):
            end = min(start + CHUNK, m)
            if not _any_above(scores[row, start:end], bound):
                continue
            for column in range(start, end):
                if scores[row, column] > bound:
                    above += scores[row, column] - bound
                    n_above += 1
                    for k in range(d):
                        of_queries[row, k] += weight * items[column, k]
                        of_items[column, k] += weight * queries[row, k]
        loss += above * weight
    return loss, n_above


# As `_any_above`. Kept within int16, of which one instruction compares many.
@numba.njit("boolean(int16[::1],int16)", cache=True, nogil=True)
def _any_beyond(chunk: IntArray, bound: int) -> Any:
    largest: Any = bound
    for place in range(chunk.size):
        largest = np.int16(max(largest, chunk[place]))
    return largest > bound


@numba.njit(
    "float32(float32[::1],float32[::1])", cache=True, nogil=True, fastmath={"nsz", "reassoc"}
)
def _product(one: FloatArray, other: FloatArray) -> Any:
    total = np.float32(0)
    for k in range(one.size):
        total += one[k] * other[k]
    return total


@numba.njit(
    "Tuple((float64,int64))(int16[:,::1],int16,float64"
    ",float32[:,::1],float32[:,::1],float32[:,::1],float32[:,::1],float32[::1])",
    cache=True,
    nogil=True,
)
def _add_screened(
    codes: IntArray,
    least: int,
    margin: float,
    queries: FloatArray,
    items: FloatArray,
    of_queries: FloatArray,
    of_items: FloatArray,
    weights: FloatArray,
) -> Any:
    """See `_screened`."""
    b, m = codes.shape
    d = queries.shape[1]
    bound = np.float32(margin)
    loss = 0.0
    n_made = 0
    for row in range(b):
        weight = weights[row]
        above = np.float32(0)
        for start in range(0, m, SCREENED_CHUNK):
            end = min(start + SCREENED_CHUNK, m)
            if not _any_beyond(codes[row, start:end], least):
                continue
            for column in range(start, end):
                if codes[row, column] <= least:
                    continue
                n_made += 1
                score = _product(queries[row], items[column])
                if score > bound:
                    above += score - bound
                    for k in range(d):
                        of_queries[row, k] += weight * items[column, k]
                        of_items[column, k] += weight * queries[row, k]
        loss += above * weight
    return loss, n_made
