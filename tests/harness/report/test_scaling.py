"""The tables of a scale run: a row per size, an exponent per series, nothing lost on the way."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from harness.compare.scaling import MEASURED, exponents, scaling_frame
from harness.record import Record
from harness.report.scaling import render_scaling, scaling_caption, scaling_csv

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-2.json"
BASE = replace(Record.from_json(GOLDEN.read_text()), warnings=())
RECALL = "ann_recall@10"
GONE = {"search": {}, "load": {}, "qps": None, "latency_p99_s": None, "index_bytes": None,
        "fit_s": None, "build_s": None, "metrics": {}}  # fmt: skip


def record(size, case="hnsw", **changes):
    """Return a record of a made catalogue of ``size`` items; its dataset is its size."""
    made = {
        "trial_id": f"{case} {size}",
        "case": case,
        "dataset": str(size),
        "search": {"ef": 64},
        "qps": 1e7 / size**0.5,
        "latency_p99_s": 1e-6 * size**0.5,
        "index_bytes": 400 * size,
        "fit_s": 0.0,
        "build_s": 1e-5 * size,
        "metrics": {RECALL: 0.9},
    }
    return replace(BASE, **{**made, **changes})


def frame_of(records):
    return scaling_frame(records, {one.trial_id: int(one.dataset) for one in records})


def shown(*records, form="text"):
    frame = frame_of(records)
    return render_scaling(frame, exponents(frame, [*MEASURED, RECALL]), RECALL, form, "what it is")


def cells_of(text, *begin):
    """Return the cells of the lines that begin with these words."""
    lines = [line.split() for line in text.splitlines()]
    return [line for line in lines if tuple(line[: len(begin)]) == begin]


def test_rows_then_exponents():
    """1e4 to 1e6 items: time and bytes grow as n, rate and p99 as its square root, as planted."""
    text = shown(*map(record, (10_000, 100_000, 1_000_000)))
    *rows, growth = cells_of(text, "hnsw", "ef=64")
    assert [row[2] for row in rows] == ["10,000", "100,000", "1,000,000"]
    assert rows[0][3:] == ["0.1", "4", "400", "100,000", "0.1", "0.9000", "VALID"]
    found = " ".join(growth[2:])
    assert found == (
        "1.00 [1.00, 1.00] 1.00 [1.00, 1.00] -0.50 [-0.50, -0.50] 0.50 [0.50, 0.50] "
        "0.00 [0.00, 0.00]"
    )
    assert text.startswith("what it is")


def test_a_series_that_ended_is_told_in_its_rows():
    """Where it ended and why, and why the larger sizes have no numbers; long reasons as notes."""
    reason = "ran past time_limit_s = 9 s during 'build'"
    stop = f"not run: stopped at n = 100,000 by timeout: {reason}"
    text = shown(
        record(10_000),
        record(100_000, status="timeout", reason=reason, **GONE),
        record(1_000_000, status="skipped", reason=stop, **GONE),
    )
    notes = " ".join(text.split())
    assert f"[1] {reason} [2] {stop}" in notes
    timeout, skipped = cells_of(text, "hnsw")[1:3]
    assert timeout == ["hnsw", "100,000", *["-"] * 6, "timeout", "[1]"]
    assert skipped == ["hnsw", "1,000,000", *["-"] * 6, "skipped", "[2]"]
    assert cells_of(text, "hnsw", "ef=64")[-1][2:6] == ["1", "size:", "no", "exponent"]


def test_two_sizes_show_an_exponent_without_interval():
    """The number stands with how few sizes it is from."""
    text = shown(record(10_000), record(100_000))
    assert "1.00 (2 sizes)" in text


def test_nothing_valid_has_no_second_table():
    """All failed: said in words."""
    text = shown(record(10_000, status="failed", reason="no", **GONE))
    assert "no exponents: no row is valid" in text


def test_warnings_are_notes_of_their_rows():
    """A number from a busy machine carries a mark, and stays."""
    busy = record(100_000, warnings=("busy machine: others used 0.9 CPUs",))
    text = shown(record(10_000), busy)
    assert "[1] busy machine: others used 0.9 CPUs" in text
    quiet, marked = cells_of(text, "hnsw", "ef=64")[:2]
    assert quiet[-1] == "VALID"
    assert marked[-2:] == ["VALID", "[1]"]


def test_build_settings_of_a_case_stay_apart():
    """Two values of m: two series, told apart; neither hides the other's exponents."""
    records = [
        record(size, trial_id=f"{m} {size}", build={"m": m, "efc": 40}, qps=float(size) ** power)
        for size in (10_000, 100_000, 1_000_000)
        for m, power in ((8, -1), (16, -0.5))
    ]
    text = shown(*records)
    assert len(cells_of(text, "hnsw", "m=8", "ef=64")) == len(cells_of(text, "hnsw", "m=16")) == 4
    assert "-1.00 [-1.00, -1.00]" in " ".join(cells_of(text, "hnsw", "m=8")[-1])
    assert "-0.50 [-0.50, -0.50]" in " ".join(cells_of(text, "hnsw", "m=16")[-1])
    assert "efc" not in text


def test_loads_devices_and_seeds_stand_where_there_are_several():
    """What every row shares stands in the caption only."""
    load = {"kind": "batch", "batch": 32}
    text = shown(
        record(10_000),
        record(10_000, trial_id="b", load=load),
        record(10_000, trial_id="c", device="cuda", seed=9),
    )
    assert "ef=64 cpu seed=7 single_stream" in text
    assert "ef=64 cpu seed=7 batch(32)" in text
    assert "ef=64 cuda seed=9 single_stream" in text


@pytest.mark.parametrize(("form", "mark"), [("markdown", "| method "), ("latex", r"\begin{table}")])
def test_other_forms_hold_both_tables(form, mark):
    """Markdown and LaTeX: the rows and the exponents."""
    text = shown(*map(record, (10_000, 100_000, 1_000_000)), form=form)
    assert text.count(mark) == 2
    assert "1.00 [1.00, 1.00]" in text


def test_the_data_for_a_plot_is_in_full():
    """A row per record, a column per parameter, no number rounded."""
    rate = 1234.56789012345
    frame = frame_of([record(10_000, qps=rate, latency_p99_s=None), record(100_000)])
    first, second = csv.DictReader(scaling_csv(frame).splitlines())
    assert (float(first["qps"]), first["search.ef"], first["load.kind"]) == (
        rate, "64", "single_stream"
    )  # fmt: skip
    assert (first["latency_p99_s"], first["n_items"], second["n_items"]) == ("", "10000", "100000")
    assert shown(record(10_000), form="csv").splitlines()[0].startswith("case,")


def test_the_caption_says_what_must_be_known():
    """Question, data, load and sample, noise, threads, machine, versions, commit."""
    failed = record(100_000, status="failed", reason="no", n_timed=None, **GONE)
    said = scaling_caption([record(10_000, commit="0" * 40 + "+dirty"), failed], "How?")
    for part in ("quickstart: How?", "drawn anew for each n", "single_stream", "1,000 to 1,000",
                 "profile ci: each pass lasts 10 s", "no noise floor measured", "1 searching",
                 "example x 2 cores", "numpy 2.4.6", f"commit {'0' * 10}+dirty"):  # fmt: skip
        assert part in said, part
