"""The tables of a frontier: every operating point with its place, and what budgets give."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness.compare.budgets import Budget, Decision, Kind, Offer, summary
from harness.compare.frontier import AXES, KNOWN, Plane, Spot
from harness.compare.quality import BOUND
from harness.compare.scenario import scenario
from harness.report.comparison import settings_of
from harness.report.numbers import MB, MS, NOTHING, cell, rounded
from harness.report.rows import verdicts
from harness.report.table import Format, render_cells

P95 = ("p95 ms", MS)  # shown where no p99 is known
COSTS: Mapping[str, tuple[str, float]] = {
    "QPS": ("QPS", 1.0),
    "p99": ("p99 ms", MS),
    "bytes": ("index MB", MB),
    "build": ("build s", 1.0),
}
HOWS: Mapping[str, str] = {
    "exact": "",
    "between": "~",
    "alone": "",
    "at_least": ">=",
    "measured": "",
}
FRONTIER_CAPTION = (
    "frontier of: costs against which no other point of this table has as much {metric} for less; "
    "dominated: of none; left out: without seeds that most points have, its mean is another's\n"
    "index loss: 1 - agreement with the method's own exhaustive score; model loss: {metric} that "
    "this score, searched exactly, lacks to {reference}, the mean over seeds; of a fit that "
    "several cases share, from whichever searched it exactly"
)
BUDGET_CAPTION = (
    "~ between two points that bracket the budget and differ in one numeric search setting, by the "
    "logarithm of the cost; >= not bracketed: the best point within, where all of the case, or of "
    "its setting, are within; no mark: measured, and nothing lies between it and what is beyond; "
    "not reached: no point is within\n"
    "leads: of what was measured, clear of every other case within the budget, by the 95 % "
    "interval of {metric} paired by query and, of several seeds, by Student's t over seeds too, or "
    "by that of the QPS ratio, over seeds too, of one seed of this training alone; undecided too "
    "where a rival whose search has a numeric setting was measured only at more than half a point "
    "above the quality asked for"
)


def frontier_frame(plane: Plane) -> pd.DataFrame:
    """Return a row for each spot of a plane, numbers in SI base units.

    Columns: ``case``, ``setting``, ``scenario``, ``device``, ``quality`` with ``low`` and ``high``,
    ``n_seeds`` that they are means over and ``missing_seeds`` that most points have,
    the axes of `harness.compare.frontier.KNOWN`, for each of `AXES` ``on.<axis>``, ``index_loss``,
    ``model_loss``, ``status``, ``reason``, ``warnings``.
    """
    settings = settings_of([one.point for one in plane.spots])
    rows: list[dict[str, Any]] = []
    for spot, setting in zip(plane.spots, settings, strict=True):
        names = ("quality", "low", "high", "index_loss", "model_loss", "status", "reason")
        first = spot.point.first
        rows.append({
            "case": first.case,
            "setting": setting,
            "scenario": scenario(spot.load),
            "device": first.device,
            **{name: getattr(spot, name) for name in names},
            "n_seeds": len(spot.seeds) or None,
            "missing_seeds": ", ".join(map(str, spot.missing)),
            **{axis: mean.value if (mean := spot.costs[axis]) else None for axis in KNOWN},
            "warnings": tuple(_notes(spot)),
        })  # fmt: skip
    frame = pd.DataFrame(rows)
    return frame.assign(**{f"on.{axis}": plane.on_frontier(axis) for axis in AXES})


def render_frontier(plane: Plane, metric: str, form: Format, caption: str = "") -> str:
    """Return every spot of a plane with its costs and where it is on a frontier."""
    frame = frontier_frame(plane)
    costs = COSTS if frame["p99"].notna().any() else {"QPS": COSTS["QPS"], "p95": P95, **COSTS}
    cells = {
        "method": frame["case"].tolist(),
        "setting": frame["setting"].tolist(),
        metric: [quality_text(row) for row in frame.to_dict("records")],
        "seeds": [_seeds(one) for one in frame["n_seeds"]] if _several(plane) else [],
        **{header: [cell(x, unit) for x in frame[axis]] for axis, (header, unit) in costs.items()},
        "frontier of": [
            _place(spot, row) for spot, row in zip(plane.spots, _rows(frame), strict=True)
        ],
        "index loss": [_loss(one) for one in frame["index_loss"]],
        "model loss": [_loss(one) for one in frame["model_loss"]],
    }
    told = {name: ones for name, ones in cells.items() if any(x not in (NOTHING, "") for x in ones)}
    status, notes = verdicts(frame)
    has_bound = any(one.point.first.method == BOUND for one in plane.spots)
    reference = BOUND if has_bound else "the best of the run"
    lines = [caption, _where(plane), FRONTIER_CAPTION.format(metric=metric, reference=reference)]
    table = pd.DataFrame({**told, "status": status})
    n_left = 2 if "setting" in told else 1
    return render_cells(table, form, "\n".join(filter(None, lines)), notes, n_left=n_left)


def render_budgets(decisions: Sequence[Decision], metric: str, form: Format, plane: Plane) -> str:
    """Return what each case gives within each budget, and below who leads how often."""
    cases = list(dict.fromkeys(offer.case for one in decisions for offer in one.offers))
    rows = []
    for one in decisions:
        offers = {offer.case: offer for offer in one.offers}
        row = {"budget": _budget(one.budget, metric)}
        row |= {case: _offer(offers.get(case), one.budget) for case in cases}
        rows.append({**row, "leads": one.leader or f"undecided: {one.why}"})
    kinds: Sequence[Kind] = list(dict.fromkeys(one.budget.kind for one in decisions))
    lines = [_where(plane), BUDGET_CAPTION.format(metric=metric)]
    for kind in kinds:
        chosen = [one for one in decisions if one.budget.kind == kind]
        lines.append(f"{KINDS[kind].format(metric=metric)}: {summary(chosen)}")
    return render_cells(pd.DataFrame(rows), form, "\n".join(lines))


KINDS: Mapping[Kind, str] = {
    "quality": "QPS at {metric} >= x",
    "bytes": "{metric} at index MB <= y",
    "p99": "{metric} at p99 <= z",
    "p95": "{metric} at p95 <= z",
}


def budget_frame(decisions: Sequence[Decision]) -> pd.DataFrame:
    """Return a row for each budget and case: kind, bound, case, how, value, leader, why."""
    rows = [
        {
            "kind": one.budget.kind, "bound": one.budget.bound, "case": offer.case,
            "how": offer.how, "value": offer.value, "leader": one.leader, "why": one.why,
        }
        for one in decisions
        for offer in one.offers
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _notes(spot: Spot) -> list[str]:
    """Return what is missing of a spot: records of one that has numbers, and its model loss."""
    faults = spot.point.faults if spot.seeds else []
    notes = [f"some records are left out, {one}" for one in faults]
    if spot.missing:
        names = ", ".join(map(str, spot.missing))
        notes.append(f"compared with no other point: it lacks seeds {names}, which most have")
    return [*notes, *([spot.loss_note] if spot.loss_note else [])]


def _several(plane: Plane) -> bool:
    """Return whether some number of a plane is a mean over seeds."""
    return any(len(one.seeds) > 1 for one in plane.spots)


def _seeds(n: Any) -> str:
    return NOTHING if pd.isna(n) else f"{int(n)}"


def _rows(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.to_dict("records")


def _where(plane: Plane) -> str:
    first = plane.spots[0].point.first
    parts = [scenario(plane.load), first.device, f"{first.threads} threads", str(first.profile)]
    parts += [plane.apart] if plane.apart else []
    return f"plane: {', '.join(parts)}"


def quality_text(row: Mapping[Any, Any]) -> str:
    """Return the quality of a row of `frontier_frame` with the wider half of its interval."""
    if pd.isna(row["quality"]):
        return NOTHING
    if pd.isna(row["low"]):
        return f"{row['quality']:.4f}"
    half = max(row["high"] - row["quality"], row["quality"] - row["low"])
    return f"{row['quality']:.4f} ±{half:.4f}"


def _place(spot: Spot, row: dict[Any, Any]) -> str:
    if spot.point.first.method == BOUND:
        return "bound"
    if spot.missing:
        return "left out"
    if not spot.competes:
        return NOTHING
    return ", ".join(axis for axis in AXES if row[f"on.{axis}"]) or "dominated"


def _loss(value: Any) -> str:
    return NOTHING if pd.isna(value) else f"{value:.4f}"


def _budget(budget: Budget, metric: str) -> str:
    if budget.kind == "quality":
        return f"{metric} >= {budget.bound:.4f}"
    if budget.kind == "bytes":
        return f"index MB <= {rounded(budget.bound / MB)}"
    return f"{budget.kind} ms <= {rounded(budget.bound / MS)}"


def _offer(offer: Offer | None, budget: Budget) -> str:
    if offer is None:
        return NOTHING
    if offer.value is None:
        return "not reached"
    number = rounded(offer.value) if budget.kind == "quality" else f"{offer.value:.4f}"
    return f"{HOWS[offer.how]}{number}"
