"""Which records may stand in one table: those of the same question, data, protocol and machine."""

import json
from collections.abc import Sequence

from harness.compare.noise import IDENTITY
from harness.record import Record

GPU = ("gpu", "cuda")  # told by records of a GPU alone; one table holds CPU and GPU


def comparable(records: Sequence[Record]) -> list[list[Record]]:
    """Return the records in groups that compare, in order of appearance.

    A group shares suite, data, split, profile, machine (a GPU aside) and library versions. What
    may differ, such as devices, threads and commits, its table and caption say.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(_key(record), []).append(record)
    return list(groups.values())


def _key(record: Record) -> str:
    machine = {name: record.machine.get(name) for name in IDENTITY if name not in GPU}
    values = [record.suite, record.data_hash, record.split, record.profile, machine]
    return json.dumps([*values, dict(record.environment)], sort_keys=True)
