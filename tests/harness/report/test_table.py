"""The table: a row per record, failures stay, a best is marked only when it is sure."""

import csv
import io
import json
from pathlib import Path

import pytest

from harness.compare.frame import to_frame
from harness.record import Record
from harness.report.quality import best_rows
from harness.report.rows import describe_setting
from harness.report.table import FORMATS, render

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-1.json"


def record(case, value=None, interval=None, **changes):
    values = json.loads(GOLDEN.read_text())
    values.update({"case": case, "method": case, "metrics": {}, "metrics_ci": {}})
    if value is not None:
        values["metrics"] = {"ndcg@10": value}
        values["metrics_ci"] = {"ndcg@10": list(interval)}
    return Record.from_json(json.dumps({**values, **changes}))


FAILED = record("broken", status="failed", reason="killed by SIGKILL", qps=None, fit_s=None)


def test_a_best_is_marked_only_when_its_interval_clears_the_second():
    """.30 [.29, .31] beats .25 [.24, .26]; it does not beat .25 [.20, .30]."""
    clear = [record("a", 0.30, (0.29, 0.31)), record("b", 0.25, (0.24, 0.26)), FAILED]
    unsure = [record("a", 0.30, (0.29, 0.31)), record("b", 0.25, (0.20, 0.30))]
    assert best_rows(to_frame(clear), "ndcg@10") == [True, False, False]
    assert best_rows(to_frame(unsure), "ndcg@10") == [False, False]


def test_a_best_must_clear_the_other_rows_of_its_own_case():
    """Two settings of one case: marked together where they are the same, not where they tie."""
    same = [
        record("a", 0.30, (0.29, 0.31), search={"scoring": "quantised"}),
        record("a", 0.30, (0.29, 0.31), search={"scoring": "served"}),
        record("b", 0.25, (0.24, 0.26)),
    ]
    near = [*same, record("a", 0.295, (0.285, 0.305), search={"scoring": "unquantised"})]
    assert best_rows(to_frame(same), "ndcg@10") == [True, True, False]
    assert best_rows(to_frame(near), "ndcg@10") == [False] * 4


def test_a_row_without_an_interval_leaves_no_best():
    """What is not known to lie below may lie above."""
    rows = [record("a", 0.30, (0.29, 0.31)), record("b", 0.25, (0.24, 0.26)), record("c")]
    known = to_frame(rows)
    assert best_rows(known, "ndcg@10") == [True, False, False]
    known.loc[1, "ndcg@10.high"] = float("nan")
    assert best_rows(known, "ndcg@10") == [False, False, False]


def test_a_bound_and_an_invalid_row_do_not_compete():
    """The best possible score is no method; a number not to be trusted wins nothing."""
    rows = [
        record("a", 0.30, (0.29, 0.31)),
        record("b", 0.25, (0.24, 0.26)),
        record("best_possible", 0.9, (0.89, 0.91)),
        record("c", 0.8, (0.79, 0.81), status="invalid", reason="3 NaN scores"),
    ]
    assert best_rows(to_frame(rows), "ndcg@10") == [True, False, False, False]


@pytest.mark.parametrize("form", [*FORMATS, "csv"])
def test_no_format_loses_a_row(form):
    """A failed row is there in every format, with its reason."""
    frame = to_frame([record("a", 0.3, (0.29, 0.31)), FAILED])
    text = render(frame, ["ndcg@10"], form)
    assert "killed by SIGKILL" in text
    assert "broken" in text


def test_units_are_scaled_for_print_only():
    """4.5e-05 s is 0.045 ms, 250,000,000 bytes are 250 MB, .3 ±.02 is the wider half."""
    row = render(to_frame([record("a", 0.3, (0.28, 0.31))]), ["ndcg@10"], "text").splitlines()[-1]
    assert row.split()[:3] == ["a", "0.3000", "±0.0200"]
    assert "0.045" in row
    assert " 250 " in row


def test_csv_keeps_every_digit():
    """CSV is for programs: full precision, bounds in columns of their own."""
    third = 1 / 3
    text = render(to_frame([record("a", third, (0.3, 0.4))]), ["ndcg@10"], "csv")
    (row,) = csv.DictReader(io.StringIO(text))
    assert float(row["ndcg@10"]) == third
    assert (row["ndcg@10.low"], row["ndcg@10.high"]) == ("0.3", "0.4")


def test_settings_name_what_tells_rows_apart():
    """Parameters that all rows of a case share are not repeated in each."""
    rows = [
        record("a", search={"nprobe": 1, "k": 5}),
        record("a", search={"nprobe": 4, "k": 5}),
        record("b", search={"nprobe": 9}),
    ]
    assert describe_setting(to_frame(rows)) == ["nprobe=1", "nprobe=4", ""]
