"""Which records may stand in one table: those of the same question, data, protocol and machine."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from harness.compare.libraries import always_there, optional
from harness.compare.noise import IDENTITY, identity
from harness.record import Record

GPU = ("gpu", "cuda", "driver")  # told by records of a GPU alone; one table holds CPU and GPU

AGREEMENT = "ann_recall@"  # a method without a score of its own has none of these


T = TypeVar("T")


@dataclass(slots=True)
class _Group(Generic[T]):
    """What compares, and what is known of facts that not every record tells."""

    key: str
    known: dict[str, Any] = field(default_factory=dict)
    members: list[T] = field(default_factory=list)

    def takes(self, key: str, facts: Mapping[str, Any]) -> bool:
        return key == self.key and all(
            self.known.get(name, value) == value for name, value in facts.items()
        )


def comparable(records: Sequence[Record]) -> list[list[Record]]:
    """Return the records in groups that compare, in order of appearance.

    A group shares suite, data, split, profile, metrics (their k is the length of the lists),
    machine and library versions. A record that tells nothing of its metrics, as it failed, of a
    GPU, as it ran on the CPU, or of an optional library, as it ran without, joins the latest group
    that it does not contradict. What may differ,
    such as devices, threads and commits, its table and caption say.
    """
    return grouped((one, _key(one), _facts(one)) for one in records)


def grouped(members: Iterable[tuple[T, str, Mapping[str, Any]]]) -> list[list[T]]:
    """Return what shares a key and contradicts in no fact, in order of appearance.

    One that does not tell a fact joins the latest group that it does not contradict.

    >>> grouped([("a", "", {"k": 10}), ("b", "", {"k": 50}), ("c", "", {}), ("d", "x", {})])
    [['a'], ['b', 'c'], ['d']]
    """
    groups: list[_Group[T]] = []
    for member, key, facts in members:
        group = next((one for one in reversed(groups) if one.takes(key, facts)), None)
        if group is None:
            group = _Group(key)
            groups.append(group)
        group.known |= facts
        group.members.append(member)
    return [group.members for group in groups]


def _key(record: Record) -> str:
    machine = {name: record.machine.get(name) for name in IDENTITY if name not in GPU}
    values = [record.suite, record.data_hash, record.split, record.profile, machine]
    return json.dumps([*values, always_there(record.environment)], sort_keys=True)


def _facts(record: Record) -> dict[str, Any]:
    """Return what a record tells of facts that another may not tell."""
    exact = [name for name in record.metrics if name.startswith(AGREEMENT)]
    told = {"agreement": exact, "metrics": [one for one in record.metrics if one not in exact]}
    facts: dict[str, Any] = {name: sorted(values) for name, values in told.items() if values}
    facts |= optional(record.environment)
    return {**facts, **{name: one for name, one in identity(record).items() if name in GPU}}
