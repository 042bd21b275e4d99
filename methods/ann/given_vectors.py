"""Given vectors: the dense field `vector` of queries and items, for methods that learn no other."""

import numpy as np

from harness.errors import MethodError
from harness.fields import Dense, Fields
from harness.interactions import Interactions, Queries
from harness.lists import FloatArray, IntArray

FIELD = "vector"


def item_vectors(train: Interactions) -> FloatArray:
    """Return the items' vectors, float32 (n_items, dim), not copied.

    Raises
    ------
    MethodError
        The data set has no dense field of that name.
    """
    return _values(train.item_fields, "item")


def query_vectors(queries: Queries) -> FloatArray:
    """Return the queries' vectors, float32 (n, dim), not copied; raises as `item_vectors`."""
    return _values(queries.fields, "query")


def inner_products(vectors: FloatArray, items: FloatArray, item_ids: IntArray) -> FloatArray:
    """Return float32 (n, n_item_ids); no vector is copied when all items are asked for in order."""
    everything = item_ids.size == len(items) and np.array_equal(item_ids, np.arange(len(items)))
    return np.asarray(vectors @ (items if everything else items[item_ids]).T)


def _values(fields: Fields | None, side: str) -> FloatArray:
    column = None if fields is None else fields.columns.get(FIELD)
    if not isinstance(column, Dense):
        known = [] if fields is None else sorted(fields.columns)
        raise MethodError(
            f"takes vectors from the dense {side} field {FIELD!r}; this data set has {known}, "
            "unlike `planted_vectors`"
        )
    return column.values
