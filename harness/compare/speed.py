"""Speed and size compared: ratios to the baseline, between comparable rows alone."""

import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness.compare.log_ratio import Floors, LogMean, measured, ratio
from harness.compare.noise import SHORTEST_S
from harness.compare.points import Pair, Point
from harness.compare.refusals import load_refusal, size_refusals, speed_refusals
from harness.compare.seeds import need_no_seeds
from harness.record import Record, Status

OF_LOAD = ("qps", "max_qps", "latency_p50_s", "latency_p95_s", "latency_p99_s")
OF_POINT = ("fit_s", "build_s")
EXACT = "index_bytes"  # counted, not timed
QUANTITIES = (*OF_LOAD, *OF_POINT, EXACT)
BUSY = "measured while others kept the machine busy"
ONE_TRAINING = "one seed of {}: the interval is of this training, another may be faster or slower"


def compare_speed(pairs: Sequence[Pair]) -> pd.DataFrame:
    """Return for each pair a row of what no load changes, and one for each load.

    Columns: ``pair``; ``load``, empty in the first row; for each of `QUANTITIES` the ratio other /
    base, ``q``, and its 95 % interval, ``q.low`` and ``q.high``: of three or more seeds by what
    lies between them, of one from A/A pairs of the runs' noise floors, else from three or more
    repeats, else NaN (where there is none `harness.compare.log_ratio.ratio` says); ``status``:
    ``ok``, ``refused`` with the ``reason``, or how the record ended; ``warnings``, of an interval
    from one training too. A pair of the baseline with itself has no row.
    """
    rows: list[dict[str, Any]] = []
    means = _Means()
    for number, pair in enumerate(pairs):
        if not pair.is_baseline:
            rows += [{"pair": number, **row} for row in _rows_of(pair, means)]
    columns = [name for one in QUANTITIES for name in (one, f"{one}.low", f"{one}.high")]
    names = ["pair", "load", *columns, "status", "reason", "warnings"]
    return pd.DataFrame(rows, columns=names).astype({"load": object, "warnings": object})


def by_load(point: Point) -> Mapping[str, list[Record]]:
    """Return the records of a point by load, as canonical text; those of a failure under {}."""
    loads: dict[str, list[Record]] = {}
    for one in point.records:
        loads.setdefault(json.dumps(dict(one.load), sort_keys=True), []).append(one)
    return loads


def _rows_of(pair: Pair, means: "_Means") -> list[dict[str, Any]]:
    base, other = pair.base, pair.other
    if base is None or other is None:
        missing = "first" if base is None else "second"
        return [_row({}, "refused", f"not in the {missing} run")]
    if not other.valid:
        return [_row({}, str(other.first.status), other.first.reason)]
    reasons = speed_refusals(base, other)
    size = {} if size_refusals(base, other) else _size(base.valid, other.valid)
    if reasons:
        return [{**_row({}, "refused", "; ".join(reasons)), **size}]
    ratios = means.ratios(base.valid, other.valid, OF_POINT, pair)
    notes = (*_busy(base.valid, other.valid), *_one_training(base.valid, other.valid, ratios, pair))
    rows = [{**_row({}, Status.OK, None, notes), **ratios, **size}]
    return [*rows, *_load_rows(base, other, pair, means)]


def _load_rows(base: Point, other: Point, pair: Pair, means: "_Means") -> list[dict[str, Any]]:
    theirs, rows = by_load(base), []
    for key, records in by_load(other).items():
        load = records[0].load
        valid = [one for one in records if one.status == Status.OK]
        if not valid:
            rows.append(_row(load, str(records[0].status), records[0].reason))
            continue
        loads = [one[0].load for one in theirs.values() if one[0].load]
        if reason := load_refusal(load, loads):
            rows.append(_row(load, "refused", reason))
            continue
        paired = [one for one in theirs[key] if one.status == Status.OK]
        if not paired:
            rows.append(_row(load, "refused", f"baseline {theirs[key][0].status}"))
            continue
        ratios = means.ratios(paired, valid, OF_LOAD, pair)
        notes = (*_busy(paired, valid), *_one_training(paired, valid, ratios, pair))
        rows.append({**_row(load, Status.OK, None, notes), **ratios})
    return rows


class _Means:
    """Means of what was measured, each found once: the baseline stands in every pair."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], LogMean | None] = {}

    def ratios(
        self, base: Sequence[Record], other: Sequence[Record], names: Sequence[str], pair: Pair
    ) -> dict[str, float | None]:
        """Return the columns of the quantities that both sides have measured."""
        assert pair.base is not None
        assert pair.other is not None
        floors = [Floors(one.run.floor) for one in (pair.base, pair.other)]
        found: dict[str, float | None] = {}
        for name in names:
            a, b = self._of(base, name, floors[0]), self._of(other, name, floors[1])
            if a is None or b is None:
                continue
            if name in OF_POINT and min(a.value, b.value) < SHORTEST_S:
                continue  # the clock's, not the method's
            one = ratio(a, b)
            found |= {name: one.value, f"{name}.low": one.low, f"{name}.high": one.high}
        return found

    def _of(self, records: Sequence[Record], name: str, floors: Floors) -> LogMean | None:
        key = (name, *map(id, records))  # the pairs hold them
        if key not in self._known:
            self._known[key] = measured(records, name, floors)
        return self._known[key]


def _size(base: Sequence[Record], other: Sequence[Record]) -> dict[str, float | None]:
    """Return the ratio of index bytes, the mean over seeds; bytes have no noise."""
    a, b = ([one.index_bytes for one in side if one.index_bytes] for side in (base, other))
    if not a or not b:
        return {}
    value = statistics.fmean(b) / statistics.fmean(a)
    return {EXACT: value, f"{EXACT}.low": value, f"{EXACT}.high": value}


def _busy(*sides: Sequence[Record]) -> tuple[str, ...]:
    busy = any(one.isolation.get("busy") for side in sides for one in side)
    return (BUSY,) if busy else ()


def _one_training(
    base: Sequence[Record],
    other: Sequence[Record],
    ratios: Mapping[str, float | None],
    pair: Pair,
) -> tuple[str, ...]:
    """Return of which sides an interval knows one training, where others would be others."""
    if all(bound is None for name, bound in ratios.items() if name.endswith(".low")):
        return ()
    sides = ((pair.base, base, "the baseline"), (pair.other, other, "this row"))
    alone = [
        whose
        for point, records, whose in sides
        if point is not None
        and not need_no_seeds(point)
        and len({one.seed for one in records}) == 1
    ]
    return (ONE_TRAINING.format(" and of ".join(alone)),) if alone else ()


def _row(
    load: Mapping[str, Any], status: str, reason: str | None, warnings: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {"load": dict(load), "status": status, "reason": reason, "warnings": warnings}
