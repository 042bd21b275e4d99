"""Quality compared: per metric the paired difference over queries, its test, the family's."""

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.compare.over_seeds import (
    OverSeeds,
    detectable_over_seeds,
    joint_p,
    over_seeds,
    own_answers,
)
from harness.compare.paired import ALPHA, Paired, Values, compare_paired, detectable_change, holm
from harness.compare.points import Pair, Point
from harness.compare.refusals import quality_refusals
from harness.compare.seeds import in_every_seed
from harness.query_values import QueryValues

BOUND = "best_possible"  # what no method can reach on planted data: it competes with nobody
SEED = 20070  # of flips and resamples: a table printed twice is the same table
NOT_KEPT = "values per query were not kept"
COLUMNS = (
    "metric", "base_value", "value", "difference", "low", "high", "p", "p_holm", "wins", "ties",
    "losses", "n", "n_seeds", "seed_sd", "seed_low", "seed_high", "p_seeds", "build_sd",
    "detectable", "status", "reason", "warnings",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Cell:
    """Two points by one metric: differences by query, and over seeds and repeats."""

    base_value: float
    value: float
    differences: Values  # (n,), the mean over seeds
    seeds: OverSeeds | None
    build_sd: float | None
    n_seeds: int
    own: float  # part of the standard deviation over seeds, see `own_answers`


def compare_quality(
    pairs: Sequence[Pair], metrics: Sequence[str] | None = None, *, reader: "Reader | None" = None
) -> pd.DataFrame:
    """Return a row for each pair and metric, in the order of the pairs.

    Columns: ``pair``, the number of the pair, and `COLUMNS`. ``difference`` is other minus base:
    per query the mean over the seeds that both have (and over repeats of a seed), then the mean
    over queries; a point that needs no seeds has its values in every seed of the other, see
    `harness.compare.seeds`. ``base_value`` and ``value`` are means over the same seeds; ``low``,
    ``high`` bound the difference with 95 % over queries. ``p_holm`` holds for all cells of the
    frame together. Of several seeds ``seed_low``, ``seed_high`` and ``p_seeds`` are the interval
    and test over seeds, and ``p_holm`` starts from the larger of both p-values: what is sure is so
    over queries and over seeds, see `harness.compare.over_seeds`. ``seed_sd`` is the standard
    deviation of the difference over seeds, ``build_sd`` that over repeats of the same seeds, each
    built anew. ``detectable`` is the difference that the test, of several seeds both tests, at 5 %
    find with 80 % power, were the spreads of queries and seeds those seen.
    ``status`` is ``baseline``, ``better``, ``worse``, ``not shown`` (no difference was),
    ``identical`` (in every query), ``not tested``, ``refused`` (where values per query were not
    kept: with the difference of means and what seeds say of it) or how the trial ended.
    ``metrics`` are all that records hold, unless some are named; a row without any stays.
    """
    reader = reader or Reader()
    rows: list[dict[str, Any]] = []
    cells: list[tuple[dict[str, Any], _Cell]] = []
    for number, pair in enumerate(pairs):
        for row, cell in _rows_of(pair, reader):
            if metrics and row["metric"] not in ("", *metrics):
                continue
            row["pair"] = number
            rows.append(row)
            if cell is not None:
                cells.append((row, cell))
    found = compare_paired([one.differences for _, one in cells], seed=SEED)
    family = holm([joint_p(one.p, cell.seeds) for (_, cell), one in zip(cells, found, strict=True)])
    for (row, known), one, adjusted in zip(cells, found, family, strict=True):
        row.update(dataclasses.asdict(one))
        row["p_holm"], row["status"] = adjusted, _status(one, adjusted)
        row["detectable"] = _detectable(one, known)
    return pd.DataFrame(rows, columns=["pair", *COLUMNS]).astype({"warnings": object})


class Reader:
    """Reads each file of per-query values once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str | None], QueryValues | None] = {}

    def by_seed(self, point: Point) -> dict[int, list[QueryValues]]:
        """Return seed -> the values of each of its repeats, {} where not all of them were kept."""
        seeds: dict[int, dict[str | None, QueryValues]] = {}
        for record in point.valid:
            key = (point.run.name, record.trial_id, record.per_query)
            if key not in self._known:
                self._known[key] = point.run.read(record)
            values = self._known[key]
            if values is None:
                return {}
            seeds.setdefault(record.seed, {})[record.per_query] = values
        return {seed: list(files.values()) for seed, files in seeds.items()}


def _rows_of(pair: Pair, reader: Reader) -> list[tuple[dict[str, Any], _Cell | None]]:
    if pair.base is None or pair.other is None:
        missing = "the first run" if pair.base is None else "the second run"
        return [(_refused(name, f"not in {missing}", pair), None) for name in metrics_of(pair)]
    reasons = quality_refusals(pair.base, pair.other)
    if pair.is_baseline:
        return [(_baseline_row(name, pair.base), None) for name in metrics_of(pair)]
    if reasons:
        return [(_refused(name, "; ".join(reasons), pair), None) for name in metrics_of(pair)]
    return [_row(name, pair.base, pair.other, reader) for name in metrics_of(pair)]


def metrics_of(pair: Pair) -> list[str]:
    """Return the metrics of both points in order; one empty name where neither has any."""
    points = [one for one in (pair.base, pair.other) if one is not None]
    return list(dict.fromkeys(m for one in points for r in one.records for m in r.metrics)) or [""]


def _row(
    name: str, base: Point, other: Point, reader: Reader
) -> tuple[dict[str, Any], _Cell | None]:
    pair = Pair(base, other)
    for point, whose in ((base, "the baseline"), (other, "this row")):
        if mean_of(point, name) is None:
            known = ", ".join(dict.fromkeys(m for one in point.valid for m in one.metrics))
            return _refused(name, f"{whose} has no {name}, it has {known}", pair), None
    a, b = reader.by_seed(base), reader.by_seed(other)
    if not a or not b:
        return _of_means(name, pair), None
    a, b = in_every_seed(a, b, base, other)
    if not (shared := [seed for seed in a if seed in b]):
        reason = f"seeds: baseline {sorted(a)}, here {sorted(b)}"
        return _refused(name, reason, pair), None
    values = [v for seed in shared for v in (*a[seed], *b[seed])]
    if any(not np.array_equal(one.user_ids, values[0].user_ids) for one in values):
        return _refused(name, "the queries are not the same", pair), None
    if any(name not in one.metrics for one in values):
        return _plain(name, pair), None  # one value of the whole run: nothing to pair
    cell = _cell(name, [a[s] for s in shared], [b[s] for s in shared])
    if cell is None:
        return _refused(name, "no query was scored on both sides", pair), None
    notes = tuple(_notes(base, other, sorted(set(a) ^ set(b))))
    row = {"metric": name, "reason": None, "warnings": notes, **_seed_columns(cell.seeds)}
    fields = ("base_value", "value", "build_sd", "n_seeds")
    return {**row, **{one: getattr(cell, one) for one in fields}}, cell


def _seed_columns(seeds: OverSeeds | None) -> dict[str, Any]:
    if seeds is None:
        return {}
    return {
        "seed_sd": seeds.sd, "seed_low": seeds.low, "seed_high": seeds.high, "p_seeds": seeds.p
    }  # fmt: skip


def _cell(
    name: str, base: Sequence[Sequence[QueryValues]], other: Sequence[Sequence[QueryValues]]
) -> _Cell | None:
    """Return the cell of a metric, given for each shared seed the repeats of both points."""
    a, b = (np.stack([_over_repeats(name, seed) for seed in side]) for side in (base, other))
    by_seed = b - a  # (seeds, n), NaN where a query was not scored
    scored = np.isfinite(by_seed)
    kept = scored.any(axis=0)
    if not kept.any():
        return None
    mean = np.nanmean
    if scored.all():  # the same, in a fifth of the time
        mean = np.mean
    else:
        a, b = (np.where(scored, side, np.nan)[:, kept] for side in (a, b))
    differences = mean(by_seed if kept.all() else by_seed[:, kept], axis=0)
    base_value, value = (float(mean(side, axis=0).mean()) for side in (a, b))
    seeds = [float(one) for one in mean(by_seed[scored.any(axis=1)], axis=1)]
    whole = by_seed[:, scored.all(axis=0)]
    return _Cell(
        base_value=base_value,
        value=value,
        differences=differences,
        seeds=over_seeds(seeds),
        build_sd=_build_sd(name, [*base, *other]),
        n_seeds=len(base),
        own=own_answers(whole) if min(whole.shape) > 1 else 0.0,
    )


def _detectable(one: Paired, cell: _Cell) -> float | None:
    """Return the change that the tests of a cell find together, None below two queries."""
    if one.detectable is None or cell.seeds is None:
        return one.detectable
    error = one.detectable / detectable_change(1.0, 1)
    return detectable_over_seeds(error, cell.seeds.sd, cell.seeds.n, own=cell.own)


def _over_repeats(name: str, repeats: Sequence[QueryValues]) -> Values:
    values = [one.metrics[name] for one in repeats]
    return values[0] if len(values) == 1 else np.mean(values, axis=0)


def _build_sd(name: str, groups: Sequence[Sequence[QueryValues]]) -> float | None:
    """Return the standard deviation of the mean over builds of the same seed, pooled."""
    once = {id(group): group for group in groups if len(group) > 1}  # one may stand in every seed
    repeated = [[float(np.nanmean(one.metrics[name])) for one in group] for group in once.values()]
    if not repeated:
        return None
    squares = sum((len(one) - 1) * statistics.variance(one) for one in repeated)
    freedom = sum(len(one) - 1 for one in repeated)
    return float((squares / freedom) ** 0.5)


def mean_of(point: Point, name: str) -> float | None:
    """Return the mean of a metric over the valid records of a point, None where none has it."""
    found = [one.metrics[name] for one in point.valid if name in one.metrics]
    return statistics.fmean(found) if found else None


def seed_means(point: Point, name: str) -> dict[int, float]:
    """Return by seed the mean of a metric over the valid records of a point that hold it."""
    found: dict[int, list[float]] = {}
    for one in point.valid:
        if name in one.metrics:
            found.setdefault(one.seed, []).append(one.metrics[name])
    return {seed: statistics.fmean(values) for seed, values in found.items()}


def _baseline_row(name: str, point: Point) -> dict[str, Any]:
    n = next((one.n_queries for one in point.valid if one.n_queries), None)
    seeds = len({one.seed for one in point.valid})
    status = "baseline" if point.valid else point.first.status
    row = {"metric": name, "value": mean_of(point, name), "n": n, "n_seeds": seeds}
    reason = None if point.valid else point.first.reason
    return {**row, "status": status, "reason": reason, "warnings": ()}


def _plain(name: str, pair: Pair) -> dict[str, Any]:
    """Return the row of a metric with one value for the run: a difference without a test."""
    row, differences = _over_shared(name, pair)
    if not differences:
        return row
    warnings = ("one value for all queries", *row["warnings"])
    return {**row, "status": "not tested", "reason": None, "warnings": warnings}


def _of_means(name: str, pair: Pair) -> dict[str, Any]:
    """Return the row of points without values per query: means and seeds, and no test of queries.

    Differences by seed are those of the records' means, so that the interval over seeds holds.
    """
    row, differences = _over_shared(name, pair)
    return {**row, **_seed_columns(over_seeds(differences))}


def _over_shared(name: str, pair: Pair) -> tuple[dict[str, Any], list[float]]:
    """Return a row of means over the seeds of both points, and the differences by seed."""
    assert pair.base is not None
    assert pair.other is not None
    a, b = (seed_means(one, name) for one in (pair.base, pair.other))
    a, b = in_every_seed(a, b, pair.base, pair.other)
    if not (shared := [seed for seed in a if seed in b]):
        return _refused(name, f"seeds: baseline {sorted(a)}, here {sorted(b)}", pair), []
    differences = [b[seed] - a[seed] for seed in shared]
    row = {
        **_refused(name, NOT_KEPT, pair),
        "base_value": statistics.fmean(a[seed] for seed in shared),
        "value": statistics.fmean(b[seed] for seed in shared),
        "difference": statistics.fmean(differences),
        "n_seeds": len(shared),
        "warnings": tuple(_notes(pair.base, pair.other, sorted(set(a) ^ set(b)))),
    }
    return row, differences


def _refused(name: str, reason: str, pair: Pair) -> dict[str, Any]:
    ended = pair.other is not None and not pair.other.valid
    status = str(pair.shown.first.status) if ended else "refused"
    return {
        "metric": name,
        "base_value": None if pair.base is None else mean_of(pair.base, name),
        "value": None if pair.other is None else mean_of(pair.other, name),
        "status": status,
        "reason": pair.shown.first.reason if ended else reason,
        "warnings": (),
    }


def _notes(base: Point, other: Point, unpaired: Sequence[int]) -> list[str]:
    notes: list[str] = []
    if unpaired:
        notes.append(f"seeds {', '.join(map(str, unpaired))} are on one side only and left out")
    if other.first.method == BOUND:
        notes.append("an upper bound, no competitor")
    for point, whose in ((base, "baseline: "), (other, "")):
        notes += [f"{whose}some records are left out, {one}" for one in point.faults]
    return notes


def _status(one: Paired, p_holm: float) -> str:
    if one.ties == one.n:
        return "identical"
    if p_holm >= ALPHA:
        return "not shown"
    return "better" if one.difference > 0 else "worse"
