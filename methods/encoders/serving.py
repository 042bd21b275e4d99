"""Serving on the CPU: a query tower's weights as compiled code takes them, and what calls it."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from harness.fields import Categorical, Dense, Fields, MultiValued
from harness.lists import FloatArray, IntArray, Lists
from methods.encoders.fields import FieldEmbeddings
from methods.encoders.query_tower import QueryTower
from methods.encoders.serving_kernel.plan import FINE, N_PLAN, Plan
from methods.encoders.serving_kernel.write import (
    write_means,
    write_projections,
    write_rows,
    write_vectors,
)

LINE = 16  # float32 of a cache line
WHOLE: Final = 1 << 62  # no history is as long


def history_limit(ordered: bool, max_history: int) -> int:
    """Return how many last items of a history count: of a log without order all of them."""
    return max_history if ordered else WHOLE


class WeightPacker:
    """Puts arrays into one float32 array, each at the start of a cache line.

    Attributes
    ----------
    nbytes : bytes of all arrays, what lies between them left out.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self._arrays: list[tuple[int, FloatArray]] = []
        self._end = self.nbytes = 0

    def add(self, tensor: Tensor) -> int:
        """Keep a tensor's values, in its order of axes; return where they will be."""
        array = tensor.detach().cpu().to(torch.float32).numpy().reshape(-1)
        place = self._end
        self._arrays.append((place, array))
        self._end += -(-array.size // LINE) * LINE
        self.nbytes += array.nbytes
        return place

    def packed(self) -> FloatArray:
        """Return the array; the tensors given are not needed any longer."""
        room = np.zeros(self._end + LINE, np.float32)
        first = -(room.ctypes.data // room.itemsize) % LINE
        packed = room[first : first + self._end]
        for place, array in self._arrays:
            packed[place : place + array.size] = array
        self._arrays = []
        return packed


class FieldParts:
    """Writes the vectors of a query's fields beside its history's; see `FieldEmbeddings`."""

    def __init__(
        self, schema: Fields | None, embeddings: FieldEmbeddings, packer: WeightPacker
    ) -> None:
        """Pack a table for each column of ``schema``: of a dense one its matrix, (size, dim)."""
        self._tables: list[tuple[str, type[Any], int, int]] = []
        for name, column in ({} if schema is None else schema.columns).items():
            weight = embeddings.weight(name)
            if isinstance(column, Dense):
                self._tables.append((name, Dense, packer.add(weight.T), column.dim))
            else:
                self._tables.append((name, type(column), packer.add(weight), column.size))
        self.n_parts = 1 + len(self._tables)

    def write(self, weights: FloatArray, fields: Fields | None, parts: FloatArray) -> None:
        """Write parts[:, 1:], float32 (n, n_parts, dim).

        Raises
        ------
        ValueError
            A column is missing, is of another kind or length of vectors, or has an unknown id.
        """
        for part, (name, kind, place, size) in enumerate(self._tables, start=1):
            column = None if fields is None else fields.columns.get(name)
            if not isinstance(column, kind) or len(column) != len(parts):
                raise ValueError(
                    f"field {name!r} of {len(parts)} queries is {column!r}, expected "
                    f"{kind.__name__} of as many rows"
                )
            wrong = FINE
            if isinstance(column, Categorical):
                wrong = write_rows(weights, place, size, column.ids, parts, part)
            elif isinstance(column, MultiValued):
                lists = column.lists
                wrong = write_means(weights, place, size, lists.indptr, lists.ids, parts, part)
            else:
                self._project(weights, place, size, name, column, parts, part)
            if wrong != FINE:
                raise ValueError(f"query {wrong}: field {name!r} has an id outside 0..{size - 1}")

    def _project(
        self,
        weights: FloatArray,
        place: int,
        size: int,
        name: str,
        column: Any,
        parts: FloatArray,
        part: int,
    ) -> None:
        if column.dim != size:
            raise ValueError(f"field {name!r} has vectors of {column.dim}, expected {size}")
        values = column.values.astype(np.float32, copy=False)
        write_projections(weights, place, values, parts, part)


def plan_of(sizes: dict[Plan, int], *more: Sequence[int]) -> IntArray:
    """Return a plan: what is not named is 0, and ``more`` stands behind it."""
    plan = np.zeros(N_PLAN + sum(len(one) for one in more), np.int64)
    for name, size in sizes.items():
        plan[name] = size
    plan[N_PLAN:] = [number for one in more for number in one]
    return plan


def add_mixture(
    packer: WeightPacker, mixture: nn.Sequential, item_table: Tensor, n_mixed: int
) -> dict[Plan, int]:
    """Pack the table of items and a perceptron over ``n_mixed`` parts; return their places."""
    first, second = mixture[0], mixture[2]
    assert isinstance(first, nn.Linear), "see `methods.encoders.query.mlp`"
    assert isinstance(second, nn.Linear), "see `methods.encoders.query.mlp`"
    return {
        Plan.DIM: item_table.shape[1],
        Plan.MIXED: n_mixed,
        Plan.HIDDEN: first.out_features,
        Plan.MIXTURE: second.out_features,
        Plan.N_ITEMS: len(item_table),
        Plan.TABLE: packer.add(item_table),
        Plan.FIRST: packer.add(first.weight.T),
        Plan.FIRST_BIAS: packer.add(first.bias),
        Plan.SECOND: packer.add(second.weight.T),
        Plan.SECOND_BIAS: packer.add(second.bias),
    }


def table_of(weights: FloatArray, plan: IntArray) -> FloatArray:
    """Return the packed table of items, float32 (n_items, dim), not copied."""
    place, n_items, dim = (int(plan[one]) for one in (Plan.TABLE, Plan.N_ITEMS, Plan.DIM))
    return weights[place : place + n_items * dim].reshape(n_items, dim)


def refuse_history(row: int, n_items: int) -> None:
    """Say which query names no item."""
    raise ValueError(f"query {row}: its history has an item outside 0..{n_items - 1}")


class CompiledTower:
    """`QueryTower` on the CPU, in float32: the same bits for a query alone and in any batch.

    Attributes
    ----------
    table : float32 (n_items, dim), what items bring to a history.
    nbytes : bytes of all weights.
    """

    def __init__(self, tower: QueryTower, schema: Fields | None, item_table: Tensor) -> None:
        """Copy the weights of a tower and the table of `ItemFeatures.history_table`."""
        assert tower.tower is not None, "a tower without a perceptron has nothing to compile"
        packer = WeightPacker()
        n_parts = tower.features.n_parts
        self._plan = plan_of(add_mixture(packer, tower.tower, item_table, n_parts))
        self._fields = FieldParts(schema, tower.features.fields, packer)
        self._weights, self.nbytes = packer.packed(), packer.nbytes
        self.table = table_of(self._weights, self._plan)
        self._n_items, self._dim = self.table.shape

    def vectors(self, history: Lists, fields: Fields | None, limit: int) -> FloatArray:
        """Return float32 (n, dim); of each history the last ``limit`` items count.

        Raises
        ------
        ValueError
            A history names no item, or fields are not those of training.
        """
        n = len(history)
        parts = np.empty((n, self._fields.n_parts, self._dim), np.float32)
        vectors = np.empty((n, self._dim), np.float32)
        self._fields.write(self._weights, fields, parts)
        asked = (history.indptr, history.ids, limit, parts, vectors)
        wrong = write_vectors(self._weights, self._plan, *asked)
        if wrong != FINE:
            refuse_history(wrong, self._n_items)
        return vectors
