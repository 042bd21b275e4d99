"""Queries in a folder: how a worker hands some of them to a fresh process."""

from pathlib import Path

from harness.arrays import Array, load_arrays, save_arrays
from harness.fields import (
    Categorical,
    Column,
    Dense,
    Fields,
    MultiValued,
    describe_fields,
)
from harness.interactions import Queries
from harness.lists import Lists

KIND = "queries"


def save_queries(folder: Path, queries: Queries) -> None:
    """Write queries into an existing folder."""
    arrays: dict[str, Array] = {"user_ids": queries.user_ids}
    arrays |= _of_lists("history", queries.history) | _of_lists("hidden", queries.hidden)
    columns = {} if queries.fields is None else queries.fields.columns
    for place, column in enumerate(columns.values()):  # a name may hold what no file name can
        if isinstance(column, MultiValued):
            arrays |= _of_lists(f"field.{place}", column.lists)
        else:
            values = column.ids if isinstance(column, Categorical) else column.values
            arrays[f"field.{place}"] = values
    described = None if queries.fields is None else describe_fields(queries.fields)
    save_arrays(folder, KIND, arrays, {"fields": described})


def load_queries(folder: Path) -> Queries:
    """Read what `save_queries` wrote."""
    arrays, facts = load_arrays(folder, KIND)
    fields = None
    if facts["fields"] is not None:
        columns: dict[str, Column] = {}
        for place, one in enumerate(facts["fields"]):
            at = f"field.{place}"
            if one["kind"] == "multi_valued":
                columns[one["name"]] = MultiValued(_lists_at(arrays, at), one["size"])
            elif one["kind"] == "categorical":
                columns[one["name"]] = Categorical(arrays[at], one["size"])
            else:
                columns[one["name"]] = Dense(arrays[at])
        fields = Fields(len(arrays["user_ids"]), columns)
    history, hidden = _lists_at(arrays, "history"), _lists_at(arrays, "hidden")
    return Queries(arrays["user_ids"], history, hidden, fields)


def _of_lists(name: str, lists: Lists) -> dict[str, Array]:
    return {f"{name}.indptr": lists.indptr, f"{name}.ids": lists.ids}


def _lists_at(arrays: dict[str, Array], name: str) -> Lists:
    return Lists(arrays[f"{name}.indptr"], arrays[f"{name}.ids"])
