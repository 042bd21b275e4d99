"""Repeats and loads become one row, and nothing that was said of one of them is lost."""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from harness.compare.frame import plain_numbers, to_frame
from harness.compare.merging import merge_loads, merge_repeats
from harness.record import Record

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-2.json"
BASE = Record.from_json(GOLDEN.read_text())
OFFLINE = {"kind": "offline", "batch": 32}


def repeats(*rates, **changes):
    return [
        replace(BASE, repeat=number, qps=rate, latency_p99_s=1 / rate, **changes)
        for number, rate in enumerate(rates)
    ]


def test_repeats_are_one_row_of_one_pass():
    """Of 90, 120, 100 the row is the repeat of 100, its own p99 with it; all rates are kept."""
    merged = merge_repeats(to_frame(repeats(90.0, 120.0, 100.0)))
    (row,) = merged.to_dict("records")
    assert (row["qps"], row["latency_p99_s"], row["repeat"]) == (100.0, 0.01, 2)
    assert (row["n_repeats"], row["qps_repeats"]) == (3, (90.0, 120.0, 100.0))


def test_of_two_repeats_the_slower_stands():
    """No repeat lies in the middle of two; the lower is not flattering."""
    (row,) = merge_repeats(to_frame(repeats(90.0, 120.0))).to_dict("records")
    assert row["qps"] == 90.0


def test_other_seeds_loads_and_settings_stay_apart():
    """Only the repeat may differ within a row."""
    apart = [
        BASE,
        replace(BASE, seed=8),
        replace(BASE, load=OFFLINE),
        replace(BASE, search={"nprobe": 4}),
        replace(BASE, profile="smoke"),
        replace(BASE, device="cuda"),
    ]
    assert len(merge_repeats(to_frame(apart))) == len(apart)


def test_the_same_load_twice_is_not_a_repeat():
    """A suite may list a load twice; both rows stay."""
    assert len(merge_repeats(to_frame([BASE, BASE]))) == 2


def test_one_bad_repeat_makes_the_row_bad():
    """The reason names the repeat; the number of the median is shown, not trusted."""
    records = repeats(90.0, 120.0, 100.0)
    records[1] = replace(records[1], status="invalid", reason="3 NaN scores")
    (row,) = merge_repeats(to_frame(records)).to_dict("records")
    assert (row["status"], row["reason"]) == ("invalid", "repeat 1: 3 NaN scores")


def test_failed_repeats_are_a_row_of_their_own():
    """A failure has no search setting; it stands beside what the other repeats gave."""
    failed = replace(BASE, repeat=2, search={}, load={}, status="failed", reason="killed", qps=None)
    rows = merge_repeats(to_frame([*repeats(90.0, 120.0), failed])).to_dict("records")
    assert [(one["status"], one["n_repeats"]) for one in rows] == [("ok", 2), ("failed", 1)]


def test_metrics_that_differ_between_repeats_are_said():
    """The same trial must give the same lists; where it does not, the row says by how much."""
    records = repeats(90.0, 120.0)
    records[1] = replace(records[1], metrics={**BASE.metrics, "ndcg@10": 0.26})
    (row,) = merge_repeats(to_frame(records)).to_dict("records")
    assert "ndcg@10 differs between repeats: 0.2500 to 0.2600" in row["warnings"]
    assert "load by others 0.4 cores" in row["warnings"]


def test_loads_of_a_setting_become_one_row_with_the_stages():
    """The stages stand with one load only; a fault of the other is named by its scenario."""
    bad = replace(
        BASE, load=OFFLINE, stages_s={}, stages_gap=None, status="invalid", reason="1 error"
    )
    (row,) = merge_loads(merge_repeats(to_frame([bad, BASE]))).to_dict("records")
    assert row["stages_s.top_k"] == 4.5e-05
    assert (row["status"], row["reason"]) == ("invalid", "offline(32): 1 error")


def test_the_frame_has_a_column_for_every_number():
    """Every field of the record is there; mappings are columns named after their keys."""
    frame = to_frame([BASE, replace(BASE, memory={"disk_bytes": 7}, stages_s={})])
    for name in ("memory.disk_bytes", "stages_s.top_k", "offline_s.fit", "isolation.pools.torch",
                 "machine.cpu", "offline_peak_bytes.fit", "rate_curve", "ndcg@10.low"):  # fmt: skip
        assert name in frame.columns
    assert frame["memory.disk_bytes"].tolist() == [20128, 7]
    assert frame["stages_s.top_k"].isna().tolist() == [False, True]


def test_plain_numbers_hold_parameters_and_curves():
    """What CSV cannot nest becomes columns or JSON, in full."""
    plain = plain_numbers(to_frame([replace(BASE, build={"dim": 64})]))
    assert plain["build.dim"].tolist() == [64]
    assert plain["load.kind"].tolist() == ["single_stream"]
    assert '"offered_qps": 900.0' in plain["rate_curve"][0]


def test_a_load_that_was_skipped_takes_nothing_from_the_others():
    """Its reason stands where loads are rows; a setting of skipped loads alone is skipped."""
    skipped = replace(BASE, load=OFFLINE, status="skipped", reason="no device", warnings=("x",))
    (row,) = merge_loads(to_frame([BASE, skipped])).to_dict("records")
    assert (row["status"], row["warnings"]) == ("ok", BASE.warnings)
    assert pd.isna(row["reason"])
    (row,) = merge_loads(to_frame([skipped])).to_dict("records")
    assert (row["status"], row["reason"]) == ("skipped", "no device")
