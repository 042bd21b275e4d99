"""TowerSide: the trained towers, as candidates are scored again by them."""

import copy
from collections.abc import Mapping
from typing import Self

import numpy as np
import torch
from torch import Tensor

from harness.arrays import Array
from harness.fields import Fields
from harness.lists import FloatArray, Lists
from methods.encoders.query_tower import QueryTower
from methods.encoders.serving import CompiledTower
from methods.encoders.state import load_state, state_arrays
from methods.sparcode.model.settings import ModelSettings
from methods.sparcode.model.towers import Towers

NAME = "towers"  # what its arrays' names begin with


class TowerSide:
    """A query tower with the table of its histories, and the vectors of all items.

    Attributes
    ----------
    items : float32 (n_items, dim), on the host.
    """

    def __init__(
        self,
        query: QueryTower,
        table: Tensor,
        items: FloatArray,
        schema: Fields | None,
        device: str,
    ) -> None:
        """Keep the parts; on the CPU a tower over the history's mean is compiled."""
        self._query, self._table, self.items = query, table, items
        self._compiled: CompiledTower | None = None
        if device == "cpu" and query.features.is_mean:
            self._compiled = CompiledTower(query, schema, table)
            self._table = torch.from_numpy(self._compiled.table)

    @classmethod
    def of(cls, towers: Towers, schema: Fields | None, device: str) -> Self:
        """Copy what serves out of trained towers."""
        own = copy.deepcopy(towers).eval()
        with torch.inference_mode():
            table = own.items.history_table()
            every = torch.arange(len(table), device=table.device)
            items = own.item_vectors(every).cpu().numpy()
        return cls(own.query, table.detach(), np.ascontiguousarray(items), schema, device)

    @classmethod
    def of_arrays(
        cls,
        arrays: Mapping[str, Array],
        schema: Fields | None,
        settings: ModelSettings,
        device: str,
    ) -> Self:
        """Return what `arrays` came from, for the same settings."""
        query = QueryTower(schema, settings.dim, settings.hidden, device, settings.encoder)
        load_state(query, f"{NAME}.query", arrays, device)
        table = torch.from_numpy(arrays[f"{NAME}.table"]).to(device, copy=True)
        return cls(query.to(device).eval(), table, arrays[f"{NAME}.items"], schema, device)

    def arrays(self) -> dict[str, Array]:
        """Return all that is saved, by name."""
        return {
            f"{NAME}.table": self._table.cpu().numpy(),
            f"{NAME}.items": self.items,
            **state_arrays(self._query, f"{NAME}.query"),
        }

    def vectors(self, history: Lists, fields: Fields | None, limit: int) -> FloatArray:
        """Return vectors, float32 (n, dim); of each history the last ``limit`` items count."""
        if self._compiled is not None:
            return self._compiled.vectors(history, fields, limit)
        with torch.inference_mode():
            inputs = self._query.features.inputs(history.tail(limit), fields)
            found: FloatArray = self._query.of_inputs(inputs, self._table).cpu().numpy()
            return found

    @property
    def nbytes(self) -> int:
        """Return the bytes of all that it holds."""
        weights = [self._table, *self._query.parameters()]
        held = sum(one.nbytes for one in weights)
        if self._compiled is not None:
            held = self._compiled.nbytes
        return held + self.items.nbytes
