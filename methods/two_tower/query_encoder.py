"""QueryEncoder: a trained query tower and what items bring to histories, serving vectors."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from harness.arrays import Array
from harness.fields import Fields, describe_fields, empty_fields
from harness.interactions import Queries
from harness.lists import FloatArray
from methods.batches import serving_history
from methods.encoders.query import Inputs
from methods.encoders.query_tower import QueryTower
from methods.encoders.serving import CompiledTower, history_limit
from methods.encoders.state import load_state, state_arrays
from methods.two_tower.params import TwoTowerParams
from methods.two_tower.towers import as_compared


class QueryEncoder:
    """Makes vectors of queries; it needs neither the item tower nor the training log.

    On the CPU a tower over the history's mean is compiled. Of an encoder other than the mean,
    without a tower, or for cosines, torch's modules serve there too.
    """

    def __init__(
        self,
        tower: QueryTower,
        item_table: Tensor,
        schema: Fields | None,
        params: TwoTowerParams,
        *,
        ordered: bool,
        device: str,
    ) -> None:
        """Keep the parts; a compiled tower holds the item table from here on."""
        self._tower, self._table, self._schema, self._params = tower, item_table, schema, params
        self._ordered, self._limit = ordered, history_limit(ordered, params.max_history)
        self._compiled: CompiledTower | None = None
        plain = (params.encoder, params.tower, params.similarity) == ("mean", "mlp", "inner")
        if device == "cpu" and plain:
            self._compiled = CompiledTower(tower, schema, item_table)
            self._table = torch.from_numpy(self._compiled.table)

    def vectors(self, queries: Queries) -> FloatArray:
        """Return query vectors, float32 (n, dim)."""
        if self._compiled is not None:
            return self._compiled.vectors(queries.history, queries.fields, self._limit)
        with torch.inference_mode():
            return np.asarray(self.vectors_of(self.inputs(queries)).cpu().numpy())

    def inputs(self, queries: Queries) -> Inputs:
        """Return what the tower takes, on its device."""
        history = serving_history(queries, self._ordered, self._params.max_history)
        return self._tower.features.inputs(history, queries.fields)

    def vectors_of(self, inputs: Inputs) -> Tensor:
        """Return query vectors, float32 (n, dim), on the device."""
        return as_compared(self._tower.of_inputs(inputs, self._table), self._params.similarity)

    @property
    def nbytes(self) -> int:
        """Return the bytes of the weights that encode a query."""
        return sum(one.numel() * 4 for one in (self._table, *self._tower.parameters()))

    def arrays(self) -> dict[str, Array]:
        """Return the item table of histories and the weights of the query tower."""
        return {
            "item_table": self._table.detach().cpu().numpy(),
            **state_arrays(self._tower, "query_tower"),
        }

    def facts(self) -> dict[str, Any]:
        """Return what is saved beside the arrays."""
        return {"fields": describe_fields(self._schema), "ordered": self._ordered}

    @classmethod
    def of_arrays(
        cls,
        arrays: Mapping[str, Array],
        facts: Mapping[str, Any],
        params: TwoTowerParams,
        device: str,
    ) -> Self:
        """Return the encoder that `arrays` and `facts` came from, for the same parameters."""
        schema = empty_fields(facts["fields"])
        tower = QueryTower(schema, params.dim, params.hidden, device, params, params.tower)
        load_state(tower, "query_tower", arrays, device)
        table = torch.from_numpy(arrays["item_table"]).to(device, copy=True)
        return cls(tower, table, schema, params, ordered=bool(facts["ordered"]), device=device)
