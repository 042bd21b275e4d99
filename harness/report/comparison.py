"""The tables of a comparison: quality differences with their tests."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from harness.compare.paired import N_FLIPS
from harness.compare.points import Pair, Point
from harness.compare.published import Published, published_rows
from harness.report.numbers import NOTHING
from harness.report.rows import OF_SETTING, describe_setting, verdicts
from harness.report.table import Format, render_cells

MARKS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))  # of the p-value of the family
QUALITY_CAPTION = (
    "difference: to the baseline, paired by query, seeds averaged for each; [95 % bootstrap "
    "interval over queries], with the models as trained\n"
    f"p: two-sided sign-flip test over queries, {N_FLIPS:,} flips; {{family}}; * below 0.05, ** "
    "below 0.01, *** below 0.001\n"
    "win/tie/loss: queries that score higher, equal, lower than the baseline's; detectable: change "
    "that one test at 5 % finds with 80 % power, of several seeds both tests together"
)
HOLM = "p Holm: over the {n} tested cells of this table"
ALL_PAIRS = (
    "p pairs: over all pairs of the points, as the best was chosen by these queries (step-down "
    "maximum, Westfall and Young 1993; of seeds by Holm)"
)
SEEDS_CAPTION = (
    "over seeds: 95 % interval of the difference by Student's t over seeds, each another training, "
    "n - 1 degrees of freedom, what needs no seeds in each; p seeds: its test. {header} is that "
    "of the larger p: stars and verdicts need queries and seeds (an intersection-union test, "
    "Berger 1982)"
)
SPREAD_CAPTION = (
    "seed SD: of the difference over seeds; build SD: of a value over builds of the same seed; "
    "neither is in the interval over queries"
)


def render_quality(
    frame: pd.DataFrame,
    pairs: Sequence[Pair],
    form: Format,
    caption: str = "",
    published: Sequence[Published] = (),
    *,
    all_pairs: bool = False,
) -> str:
    """Return the table of `harness.compare.quality.compare_quality` as text.

    ``all_pairs`` says that it is one of `harness.compare.ranking.ranking`. Published figures of the
    same dataset and metrics stand below ours, marked as not run here.
    """
    frame = with_published(name_rows(frame, pairs), pairs, published)
    header, family = ("p pairs", ALL_PAIRS) if all_pairs else ("p Holm", HOLM)
    cells = {
        "method": frame["case"].tolist(),
        "setting": frame["setting"].tolist(),
        "metric": [name or NOTHING for name in frame["metric"]],
        "baseline": [_number(one) for one in frame["base_value"]],
        "value": [_number(one) for one in frame["value"]],
        "seeds": _seeds(frame),
        "difference": [_difference(row) for row in frame.to_dict("records")],
        "over seeds": [_over_seeds(row) for row in frame.to_dict("records")],
        "p": [_p(one) for one in frame["p"]],
        "p seeds": [_p(one) for one in frame["p_seeds"]],
        header: [_p(one) for one in frame["p_holm"]],
        "win/tie/loss": [_counts(row) for row in frame.to_dict("records")],
        "seed SD": [_number(one) for one in frame["seed_sd"]],
        "build SD": [_number(one) for one in frame["build_sd"]],
        "detectable": [_number(one) for one in frame["detectable"]],
    }
    status, notes = verdicts(frame)
    n_left = 3 if any(cells["setting"]) else 2
    family = family.format(n=int(frame["p"].notna().sum()))
    lines = [QUALITY_CAPTION.format(family=family)]
    lines += [SEEDS_CAPTION.format(header=header)] if frame["p_seeds"].notna().any() else []
    lines += [SPREAD_CAPTION] if frame[["seed_sd", "build_sd"]].notna().any(axis=None) else []
    table = pd.DataFrame({**_told(cells), "status": status})
    return render_cells(table, form, "\n".join([caption, *lines]), notes, n_left=n_left)


def name_rows(frame: pd.DataFrame, pairs: Sequence[Pair]) -> pd.DataFrame:
    """Return the frame with the columns ``case`` and ``setting`` of what each row shows."""
    points = [one.shown for one in pairs]
    settings = settings_of(points)
    return frame.assign(
        case=[points[one].first.case for one in frame["pair"]],
        setting=[settings[one] for one in frame["pair"]],
    )


def with_published(
    named: pd.DataFrame, pairs: Sequence[Pair], published: Sequence[Published]
) -> pd.DataFrame:
    """Return named rows of quality, and below those of published figures of the same dataset."""
    dataset, metrics = pairs[0].shown.first.dataset, list(dict.fromkeys(named["metric"]))
    rows = published_rows(published, dataset, metrics)
    if not rows:
        return named
    return pd.DataFrame([*named.to_dict("records"), *rows], columns=named.columns)


def settings_of(points: Sequence[Point]) -> list[str]:
    """Return for each point what tells it from others: parameters, device, threads, profile."""
    rows = [{one: getattr(point.first, one) for one in OF_SETTING} for point in points]
    return describe_setting(pd.DataFrame(rows).assign(seed=0), with_load=False)


def _told(cells: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the columns in which some row says something."""
    return {name: ones for name, ones in cells.items() if any(x not in (NOTHING, "") for x in ones)}


def _seeds(frame: pd.DataFrame) -> list[str]:
    """Return of how many seeds a row's values are means, nothing where all have one."""
    if not (frame["n_seeds"].dropna() > 1).any():
        return []
    return [NOTHING if pd.isna(one) else f"{int(one)}" for one in frame["n_seeds"]]


def _number(value: Any) -> str:
    return NOTHING if pd.isna(value) else f"{value:.4f}"


def _difference(row: dict[Any, Any]) -> str:
    if pd.isna(row["difference"]):
        return NOTHING
    text = f"{row['difference']:+.4f}"
    if pd.isna(row["low"]):
        return text
    mark = next((mark for bound, mark in MARKS if row["p_holm"] < bound), "")
    return f"{text}{mark} [{row['low']:+.4f}, {row['high']:+.4f}]"


def _over_seeds(row: dict[Any, Any]) -> str:
    if pd.isna(row["seed_low"]):
        return NOTHING
    return f"[{row['seed_low']:+.4f}, {row['seed_high']:+.4f}]"


def _p(value: Any) -> str:
    """Return a p-value; below 0.0001, which flips alone do not resolve, only that it is."""
    if pd.isna(value):
        return NOTHING
    return "<0.0001" if value < 1e-4 else f"{value:.{max(4, 1 - math.floor(math.log10(value)))}f}"


def _counts(row: dict[Any, Any]) -> str:
    if pd.isna(row["wins"]):
        return NOTHING
    return "/".join(f"{int(row[name])}" for name in ("wins", "ties", "losses"))
