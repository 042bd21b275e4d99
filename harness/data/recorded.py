"""Recorded: the words by which a record names its data -> the same parts, held to the hash."""

import ast
import dataclasses
import re
import typing
from collections.abc import Container
from pathlib import Path
from typing import Any

from harness.data.catalog import find_dataset, load_log
from harness.data.split_spec import KINDS, parse_split
from harness.data.splits import Parts, hash_of_data, split_log
from harness.errors import DatasetError, near

# Fields of a split that a record may lack -> what such a split is: those that are newer than schema
# 3, and those that are not told where they are this.
LATER = {"fields": "all"}
UNTOLD = {"select_on": "validation"}


def load_recorded(dataset: str, protocol: str, data_hash: str, root: Path | None) -> Parts:
    """Return the parts that records were measured on.

    A field that a split got after the record was written, or that is told only where it is unusual,
    has the value of `absent_from`; the hash is that of the line as the record has it.

    Parameters
    ----------
    dataset, protocol, data_hash : the fields ``dataset``, ``split`` and ``data_hash`` of a record.
    root : where the data lie, None for the default.

    Raises
    ------
    DatasetError
        The data are not here, the words name no data set or split of this program, or the parts
        have another hash than those of the record: other files, or another version of the program.
    """
    name, params = parse_call(dataset, find_dataset(_head(dataset)).Params)
    words = protocol.removeprefix(f"{dataset}/")
    kind = _head(words)
    if words == protocol or kind not in KINDS:
        raise DatasetError(f"split {protocol!r} names no split of {dataset}{near(kind, KINDS)}")
    absent = absent_from(protocol)
    spec = parse_split({"kind": kind, **parse_call(words, KINDS[kind], absent)[1], **absent})
    log = load_log(name, params, root)
    parts = split_log(log, spec, dataset)
    found = hash_of_data(log, protocol) if absent else parts.data_hash
    if found != data_hash:
        raise DatasetError(
            f"{dataset}: the data are not those of the records\n"
            f"  found    {found}\n  expected {data_hash}"
        )
    return parts


def absent_from(protocol: str) -> dict[str, str]:
    """Return the fields that a record's split lacks, with their values.

    >>> absent_from("log(n=1)/leave_last_out(min_rating=None,cold_users=error)")
    {'fields': 'all', 'select_on': 'validation'}
    """
    _, _, words = protocol.rpartition("/")
    return {one: value for one, value in (LATER | UNTOLD).items() if f",{one}=" not in words}


def parse_call(
    text: str, params: type[Any], absent: Container[str] = ()
) -> tuple[str, dict[str, Any]]:
    """Return name and values of ``name(field=value,...)``; all fields of ``params`` in order.

    Those in ``absent`` are not there. A value of a text field may hold commas and equal signs; it
    ends where the next field begins.

    Raises
    ------
    DatasetError
        A field is missing, out of order or unknown.
    """
    name, _, rest = text.partition("(")
    fields = [one.name for one in dataclasses.fields(params) if one.name not in absent]
    if not rest and not fields:
        return name, {}
    pattern = ",".join(rf"{re.escape(one)}=(.*)" for one in fields)
    found = re.fullmatch(pattern, rest.removesuffix(")"), re.DOTALL)
    if found is None:
        raise DatasetError(f"{text!r} is not {name}({'=...,'.join(fields)}=...)")
    hints = typing.get_type_hints(params)
    given = zip(fields, found.groups(), strict=True)
    return name, {one: _value(value, hints[one]) for one, value in given}


def _value(text: str, hint: Any) -> Any:
    """Return a value as its field has it; text that is no Python literal stays text."""
    if hint is str:
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _head(text: str) -> str:
    return text.partition("(")[0]
