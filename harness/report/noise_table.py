"""The table of a noise floor: per operating point the spread of its A/A pairs."""

import pandas as pd

from harness.compare.noise import half_width
from harness.compare.scenario import scenario
from harness.noise_floor import NoiseFloor, PointNoise, Spread
from harness.report.numbers import NOTHING, percent
from harness.report.table import Format, render_cells

COLUMNS = (
    ("p50", "latency_p50_s"),
    ("p99", "latency_p99_s"),
    ("max QPS", "max_qps"),
    ("fit", "fit_s"),
    ("build", "build_s"),
)


def render_noise(floor: NoiseFloor, form: Format = "text") -> str:
    """Return the floor as a table: sigma_AA with its 95 % interval, ± of one measurement."""
    caption = (
        f"{floor.suite}: {floor.n_pairs} A/A pairs asked for, {floor.measured_at[:10]}\n"
        "sigma: root mean square of log(b / a) over pairs, [95 % interval]; ±: 95 % of one "
        "measurement"
    )
    notes = list(dict.fromkeys(note for one in floor.points for note in _notes(one)))
    rows = [_row(one, notes) for one in floor.points]
    cells = pd.DataFrame(rows)
    empty = [
        name for name, _ in COLUMNS if (cells[f"{name} sigma"] == NOTHING).all()
    ]  # not measured anywhere, such as p99 in a quick profile
    cells = cells.drop(columns=[f"{name} sigma" for name in empty])
    return render_cells(cells, form, caption, notes, n_left=2)


def _row(point: PointNoise, notes: list[str]) -> dict[str, str]:
    qps = point.spreads.get("qps")
    parameters = " ".join(f"{name}={value}" for name, value in point.search.items())
    row = {
        "method": f"{point.case} ({point.device})",
        "setting": f"{parameters} {scenario(point.load)}".strip(),
        "QPS ±": NOTHING if qps is None else percent(half_width(qps)),
        "QPS sigma": NOTHING if qps is None else _sigma(qps),
        "b / a": NOTHING if qps is None else f"{qps.median_ratio:.3f}",
        "from": NOTHING if qps is None else f"{qps.min_ratio:.3f}",
        "to": NOTHING if qps is None else f"{qps.max_ratio:.3f}",
    }
    for header, name in COLUMNS:
        spread = point.spreads.get(name)
        row[f"{header} sigma"] = NOTHING if spread is None else percent(spread.sigma)
    marks = [str(notes.index(note) + 1) for note in _notes(point)]
    row["pairs"] = str(point.n_pairs) + (f" [{','.join(marks)}]" if marks else "")
    return row


def _notes(point: PointNoise) -> list[str]:
    busy = f"busy machine during {point.n_busy} of {2 * point.n_pairs} measurements"
    return [*point.faults, *([busy] if point.n_busy else [])]


def _sigma(spread: Spread) -> str:
    return f"{percent(spread.sigma)} [{percent(spread.low)}, {percent(spread.high)}]"
