"""Views: which columns of the frame stand in one table. What no row has is left out."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pandas as pd

from harness.compare.merging import merge_loads
from harness.compare.scenario import scenario
from harness.report.numbers import (
    MB,
    MS,
    NOTHING,
    US,
    Column,
    cell,
    columns_of,
    noisy_cells,
    percent,
    rounded,
    signed_percent,
)
from harness.report.quality import metric_cells
from harness.report.rows import describe_setting
from harness.stages import BUILD_STAGES, SEARCH_STAGES

View = Literal["main", "quality", "speed", "stages", "build", "memory"]
Cells = dict[str, list[str]]

_PERCENTILES = tuple(
    Column(f"{name} ms", f"latency_{name.replace('.', '')}_s", MS)
    for name in ("p50", "p90", "p95", "p99", "p99.9")
)
_MEMORY = (  # in the order in which a reader asks; keys are those of `Record.memory`
    "logical_bytes", "held_bytes", "disk_bytes", "mapped_bytes", "steady_bytes", "empty_bytes",
    "build_peak_bytes", "search_peak_bytes", "device_steady_bytes", "device_build_peak_bytes",
    "device_search_peak_bytes", "device_context_bytes", "device_allocator_peak_bytes",
)  # fmt: skip


def view_of(
    view: View, frame: pd.DataFrame, metrics: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows of a view, and their cells without the verdict.

    Parameters
    ----------
    frame : what `harness.compare.merging.merge_repeats` returns.
    metrics : the metric columns, in order.
    """
    rows = frame if view in ("main", "speed") else merge_loads(frame)
    cells = VIEWS[view](rows, metrics)
    if not any(cells["setting"]):
        del cells["setting"]  # nothing tells rows of one method apart
    return rows, pd.DataFrame({"method": rows["case"].tolist(), **cells})


def _main(frame: pd.DataFrame, metrics: Sequence[str]) -> Cells:
    refit_s = pd.to_numeric(frame["refit_s"]).fillna(0)
    frame = frame.assign(fit_total_s=pd.to_numeric(frame["fit_s"]) + refit_s)
    columns = (
        Column("max QPS", "max_qps"),
        *(one for one in _PERCENTILES if one.header in ("p50 ms", "p95 ms", "p99 ms")),
        Column("fit s", "fit_total_s"),
        Column("build s", "build_s"),
        Column("index MB", "index_bytes", MB),
        Column("host MB", "peak_host_bytes", MB),
        Column("device MB", "peak_device_bytes", MB),
    )
    return {
        "setting": describe_setting(frame),
        **{metric: metric_cells(frame, metric) for metric in metrics},
        "QPS": noisy_cells(frame, Column("QPS", "qps")),
        **columns_of(frame, columns),
    }


def _quality(frame: pd.DataFrame, metrics: Sequence[str]) -> Cells:
    columns = (
        Column("queries", "n_queries"),
        Column("filled", "fill_rate", 1, percent),
        Column("tied lists", "tied_lists", 1, percent),
    )
    return {
        "setting": describe_setting(frame, with_load=False),
        **{metric: metric_cells(frame, metric) for metric in metrics},
        **columns_of(frame, columns),
    }


def _speed(frame: pd.DataFrame, metrics: Sequence[str]) -> Cells:
    columns = (
        Column("max QPS", "max_qps"),
        *_PERCENTILES,
        Column("cold first ms", "cold_first_s", MS),
        Column("cold 100 ms", "cold_100_s", MS),
        Column("warm-up s", "warm_up_s"),
        Column("same query x", "repeated_ratio"),
        Column("errors", "n_errors"),
        Column("n", "n_timed"),
    )
    cells = {
        "setting": describe_setting(frame, with_load=False),
        "scenario": [scenario(load) for load in frame["load"]],
        **columns_of(frame, (Column("offered QPS", "offered_qps"),)),
        "QPS": noisy_cells(frame, Column("QPS", "qps")),
        **columns_of(frame, columns, noisy=True),
    }
    if (frame["n_repeats"] > 1).any():
        cells["repeats"] = [_repeats(rates) for rates in frame["qps_repeats"]]
    return cells


def _repeats(rates: Sequence[float]) -> str:
    if not rates:
        return NOTHING
    return f"{len(rates)}: {rounded(min(rates))} to {rounded(max(rates))}"


def _stages(frame: pd.DataFrame, metrics: Sequence[str]) -> Cells:
    """Microseconds of a query by stage."""
    names = [f"stages_s.{name}" for name in _known(frame, "stages_s.", SEARCH_STAGES)]
    sums = frame[names].apply(pd.to_numeric).sum(axis=1, min_count=1)
    gaps = pd.to_numeric(frame["stages_gap"])
    frame = frame.assign(stages_sum=sums, stages_total=sums / (1 + gaps))
    columns = (
        *(Column(f"{name.partition('.')[2]} us", name, US) for name in names),
        Column("sum us", "stages_sum", US),
        Column("total us", "stages_total", US),
        Column("gap", "stages_gap", 1, signed_percent),
    )
    return {"setting": describe_setting(frame, with_load=False), **columns_of(frame, columns)}


def _build(frame: pd.DataFrame, metrics: Sequence[str]) -> Cells:
    """Seconds of each offline stage, and in brackets the peak of its process in MB."""
    cells = {"setting": describe_setting(frame, with_load=False)}
    order = ("fit", "refit", *BUILD_STAGES, "save", "load")
    for name in _known(frame, "offline_s.", order):
        seconds, peaks = frame[f"offline_s.{name}"], frame.get(f"offline_peak_bytes.{name}")
        texts = [cell(one) for one in seconds]
        if peaks is None:
            cells[f"{name} s"] = texts
            continue
        cells[f"{name} s (MB)"] = [
            text if pd.isna(peak) else f"{text} ({cell(peak, MB)})"
            for text, peak in zip(texts, peaks, strict=True)
        ]
    return cells


def _memory(frame: pd.DataFrame, metrics: Sequence[str]) -> Cells:
    columns = []
    for key in _known(frame, "memory.", _MEMORY):
        in_bytes = key.startswith("bytes_per_") or not key.endswith("_bytes")
        header = f"{key.removesuffix('_bytes').replace('_', ' ')}{'' if in_bytes else ' MB'}"
        columns.append(Column(header, f"memory.{key}", 1 if in_bytes else MB))
    columns.append(Column("process peak MB", "peak_host_bytes", MB))
    columns.append(Column("allocator peak MB", "peak_device_bytes", MB))
    if "memory.logical_bytes" not in frame:
        columns.insert(0, Column("logical MB", "index_bytes", MB))
    return {
        "setting": describe_setting(frame, with_load=False),
        **columns_of(frame, columns),
    }


def _known(frame: pd.DataFrame, prefix: str, order: Sequence[str]) -> list[str]:
    """Return the keys of a mapping that some row has, known ones in order, then the rest."""
    found = [str(name).removeprefix(prefix) for name in frame if str(name).startswith(prefix)]
    return [name for name in order if name in found] + [one for one in found if one not in order]


VIEWS: Mapping[View, Callable[[pd.DataFrame, Sequence[str]], Cells]] = {
    "main": _main,
    "quality": _quality,
    "speed": _speed,
    "stages": _stages,
    "build": _build,
    "memory": _memory,
}
