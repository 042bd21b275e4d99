"""Several folders as one run: what was measured apart, of the same data on the same machine."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.compare.noise import identity
from harness.compare.points import Run
from harness.compare.refusals import cut_of, join_refusals
from harness.query_values import QueryValues
from harness.record import Record


@dataclass(frozen=True, slots=True)
class Joined:
    """A run, and where its records come from.

    Attributes
    ----------
    run : the records that may stand together, folders in order.
    origins : the number of the folder of each record.
    refused : a line for each reason why records of a folder stay out.
    """

    run: Run
    origins: Sequence[int]
    refused: Sequence[str] = ()


def join_runs(runs: Sequence[Run]) -> Joined:
    """Return several runs as one; a trial that several hold is that of its newest attempt.

    Records of another data set, split, length of lists, metrics' version, machine or libraries than
    those of the first run stay out, and are told. A record that tells nothing of its metrics, as it
    failed, is joined if the rest agrees. The noise floor is that of the first run that has one.
    """
    telling = [one for one in runs[0].records if one.metrics] or runs[0].records
    kinds = {_kind(one): one for one in telling}
    refused: list[str] = []
    trials: dict[str, tuple[int, list[Record]]] = {}
    for number, run in enumerate(runs):
        reasons: dict[str, int] = {}
        found: dict[str, list[Record]] = {}
        for record in run.records:
            if number and (why := "; ".join(_refusals(kinds, record))):
                reasons[why] = reasons.get(why, 0) + 1
            else:
                found.setdefault(record.trial_id, []).append(record)
        refused += [f"not joined: {n} records of {run.name}: {why}" for why, n in reasons.items()]
        for trial, records in found.items():
            known = trials.get(trial)
            if known is None or _started(records) > _started(known[1]):
                trials[trial] = (number, records)
    kept = sorted(trials.values(), key=lambda one: one[0])  # stable: trials keep their order
    records = [record for _, ones in kept for record in ones]
    origins = [number for number, ones in kept for _ in ones]
    sources = {id(record): runs[number] for record, number in zip(records, origins, strict=True)}

    def read(record: Record) -> QueryValues | None:
        return sources[id(record)].read(record)

    name = " + ".join(one.name for one in runs)
    floor = next((one.floor for one in runs if one.floor is not None), None)
    return Joined(Run(name, records, read, floor), origins, refused)


def _kind(record: Record) -> str:
    """Return what decides with whom a record compares."""
    facts = [record.data_hash, record.split, cut_of(record.metrics), record.metrics_version]
    tables = [dict(identity(record)), dict(record.environment)]
    return json.dumps([*facts, *tables], sort_keys=True)


def _refusals(kinds: Mapping[str, Record], record: Record) -> list[str]:
    """Return why a record compares with none of the first run, [] where it does with one."""
    if _kind(record) in kinds:
        return []
    return min((join_refusals(one, record) for one in kinds.values()), key=len)


def _started(records: Sequence[Record]) -> str:
    return max(one.started_at for one in records)
