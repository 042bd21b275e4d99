"""Answers: what most readers ask first, in sentences, each from a comparison of the page."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from harness.compare.budgets import Budget, Decision, Kind, decide
from harness.compare.frontier import Plane
from harness.compare.ladder import Ladder, step_text
from harness.compare.log_ratio import LEAST_FREEDOM
from harness.compare.paired import ALPHA
from harness.compare.points import Pair
from harness.report.comparison import settings_of
from harness.report.material import Material
from harness.report.numbers import MS, percent, rounded
from harness.report.places import places_of

NO_TAIL = "Not told: no record holds a p99 or a p95 of single queries."
BY_P95 = (
    "By p95, as no record holds a p99: the profile `smoke` does not settle it, `--profile ci` "
    "does. "
)
FAMILY = "over all pairs of points"  # who is best was chosen by the same queries
AT_P99_S = 1e-3  # the budget that the first sentence is about


def answers(
    material: Material, pairs: Sequence[Pair], ranked: pd.DataFrame
) -> list[tuple[str, str]]:
    """Return questions with their answers.

    Parameters
    ----------
    pairs, ranked : of `harness.compare.ranking`.
    """
    kind, fastest = _fastest(material)
    question = f"Which method within {AT_P99_S / MS:g} ms at {kind}?"
    found = [(question, one) for one in fastest]
    found.append(("How sure is the ranking?", _sure(pairs, ranked, material.metric)))
    found += [
        ("What is lost from the model to what is served?", _loss(one, material.metric))
        for one in material.ladders[:4]
    ]
    found.append(("How far do two equal measurements lie apart?", _noise(material)))
    found.append(
        (
            "How is a row run again?",
            _again(material, pairs),
        )
    )
    return found


def _fastest(material: Material) -> tuple[Kind, list[str]]:
    """Return what is best within the first budget, on up to three planes; by p95 without a p99.

    The percentile stands before: question and answer are of the same one.
    """
    places = places_of(material.planes)
    kinds: tuple[Kind, Kind] = ("p99", "p95")
    for kind in kinds:
        told = [
            _within(plane, place, material, kind)
            for plane, place in zip(material.planes, places, strict=True)
            if plane.axis_values(kind)
        ]
        if told:
            return kind, [f"{BY_P95 if kind == 'p95' else ''}{one}" for one in told[:3]]
    return "p99", [NO_TAIL]


def _within(plane: Plane, place: str, material: Material, kind: Kind) -> str:
    one = decide(plane, Budget(kind, AT_P99_S), material.reader, material.metric)
    words = f"{place}: {decision_text(one, material.metric)}"
    return f"{words} {_measured(plane, one)}".strip()


def _measured(plane: Plane, decision: Decision) -> str:
    """Return the best point that was itself measured within the budget, with its latency."""
    kind = decision.budget.kind
    known = [
        (spot, cost.value)
        for spot in plane.axis_values(kind)
        if (cost := spot.costs[kind]) is not None and cost.value <= decision.budget.bound
    ]
    if not known:
        return ""
    spot, latency = max(known, key=lambda one: one[0].quality or 0.0)
    settings = settings_of([one.point for one in plane.spots])
    setting = next(text for one, text in zip(plane.spots, settings, strict=True) if one is spot)
    name = f"{spot.point.first.case} {setting}".strip()
    value = f"{spot.quality:.4f}{_over(len(spot.seeds))}"
    return f"Best measured within: {name}, {value} at {rounded(latency / MS)} ms."


def _over(n_seeds: int) -> str:
    return f" ({n_seeds} seeds)" if n_seeds > 1 else ""


def _again(material: Material, pairs: Sequence[Pair]) -> str:
    """Return the command of a valid record of the best row, of the first where none is ranked."""
    rest = "Each row of the overview opens to its own command; all of them stand at the end."
    if not pairs:
        first = material.run.records[0]
        which = f"The first row; none has a {material.metric}, of {first.case}"
        return f"{which}: `{first.replay}`. {rest}"
    setting = settings_of([one.shown for one in pairs])[0]
    best = pairs[0].shown.valid[0]
    name = f"{best.case} {setting}".strip()
    which = f"The row with the highest {material.metric}, of {name}, seed {best.seed}"
    return f"{which}: `{best.replay}`. {rest}"


def decision_text(decision: Decision, metric: str) -> str:
    """Return who leads within a budget, or why nobody does, in words."""
    within = sorted(
        (one for one in decision.offers if one.value is not None), key=lambda one: -(one.value or 0)
    )
    if not within:
        return "no method."
    best = within[0]
    about = {"between": "about ", "at_least": "at least "}.get(best.how, "")
    value = f"{metric} {about}{best.value:.4f}"
    if decision.leader is None:
        return f"undecided ({decision.why}); the highest is {best.case} with {value}."
    others = len(within) - 1
    rest = f"clear of the {others} others within" if others else "the only one within"
    return f"{decision.leader} with {value}, {rest}."


def _sure(pairs: Sequence[Pair], ranked: pd.DataFrame, metric: str) -> str:
    if not pairs:
        return f"No record holds {metric}."
    best = pairs[0].shown
    setting = settings_of([one.shown for one in pairs])[0]
    value = ranked.iloc[0]["value"]
    name = f"{best.first.case} {setting}".strip()
    mean = f"{value:.4f}{_over(len({one.seed for one in best.valid}))}"
    parts = _by_queries(ranked) if ranked["p"].notna().any() else _by_seeds(ranked)
    return f"{name} has the highest {metric}, {mean}{'; ' if parts else ''}{', '.join(parts)}."


def _by_queries(ranked: pd.DataFrame) -> list[str]:
    """Return how many points are worse by the test over queries, and over seeds where several."""
    tested = ranked[ranked["p"].notna()]
    counts = tested["status"].value_counts()
    worse, open_ = int(counts.get("worse", 0)), int(counts.get("not shown", 0))
    same = int(counts.get("identical", 0))
    seeds = int(tested["n_seeds"].max())
    over = f" over queries and over {seeds} seeds" if seeds > 1 else ""
    parts = [f"{worse} of {len(tested)} other points are worse for sure{over} (5 %, {FAMILY})"]
    if open_:
        alone = int(((tested["status"] == "not shown") & _clear_alone(tested)).sum())
        more = f" ({alone} of them do when tested alone)" if alone else ""
        parts.append(f"{open_} are not shown to differ{more}")
    parts += [f"{same} return the same"] if same else []
    refused = int((ranked["p"].isna() & (ranked["status"] != "baseline")).sum())
    parts += [f"{refused} could not be paired"] if refused else []
    return parts


def _by_seeds(ranked: pd.DataFrame) -> list[str]:
    """Return why nothing was tested over queries, and what the test over seeds says instead."""
    others = ranked[ranked["status"] != "baseline"]
    if others.empty:
        return []
    why = "; ".join(dict.fromkeys(str(one) for one in others["reason"].dropna()))
    parts = [f"nothing could be tested over queries{f' ({why})' if why else ''}"]
    known = others[others["p_seeds"].notna()]
    if known.empty:
        return [*parts, "nor over seeds"]
    sure = known["p_seeds_holm"].astype(float) < ALPHA
    worse = int((sure & (known["difference"].astype(float) < 0)).sum())
    least, most = int(known["n_seeds"].min()), int(known["n_seeds"].max())
    seeds = f"{most}" if least == most else f"{least} to {most}"
    parts.append(
        f"by {seeds} seeds alone {worse} of {len(known)} other points are worse (5 %, {FAMILY})"
    )
    rest = len(others) - len(known)
    return [*parts, *([f"{rest} have too few seeds for that"] if rest else [])]


def _clear_alone(tested: pd.DataFrame) -> "pd.Series[bool]":
    """Return which rows are clear at 5 % over queries and over seeds, others not counted."""
    return (tested["p"] < ALPHA) & (tested["p_seeds"].astype(float).fillna(0.0) < ALPHA)


def _loss(ladder: Ladder, metric: str) -> str:
    first, last = ladder.rungs[0], ladder.rungs[-1]
    case = first.point.first.case
    steps = "; ".join(
        f"{a.scoring} to {b.scoring}: {step_text(b.step)}"
        for a, b in itertools.pairwise(ladder.rungs)
    )
    whole = f"{first.value:.4f} ({first.scoring}) becomes {last.value:.4f} ({last.scoring})"
    share = (last.value - first.value) / first.value if first.value else 0.0
    return f"{case}: {metric} {whole}, {100 * share:+.1f} %. {steps}."


def _noise(material: Material) -> str:
    noises: Mapping[Any, Any] = material.frame["qps_noise"].dropna().to_dict()
    if not noises:
        return f"Not measured here: `matchbench noise` measures it. {_without_pairs(material)}"
    low, high = min(noises.values()), max(noises.values())
    spread = percent(low) if rounded(low) == rounded(high) else f"{percent(low)} to {percent(high)}"
    return f"QPS ±{spread} (95 % of one measurement, from A/A pairs), on {len(noises)} rows."


def _without_pairs(material: Material) -> str:
    """Return what tells the noise of rates where no A/A pair does."""
    costs = [spot.costs["QPS"] for plane in material.planes for spot in plane.spots]
    rates = [one for one in costs if one is not None]
    known = [one for one in rates if one.variance is not None and one.freedom >= LEAST_FREEDOM]
    if not known:
        return "Differences in QPS carry no ±."
    return (
        "Ratios of QPS carry intervals from three or more seeds or repeats, which "
        f"{len(known)} of {len(rates)} rates {'has' if len(known) == 1 else 'have'}."
    )
