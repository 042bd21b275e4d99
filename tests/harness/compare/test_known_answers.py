"""Known answers: differences and verdicts by hand, intervals over seeds, nothing left out."""

import dataclasses
import io
import math

import pandas as pd
import pytest

from harness.compare.known_answers import known_answers, mean_over_seeds
from harness.compare.published import Published
from harness.record import SELECTED_ON_TEST
from harness.report.known_answers import known_csv, render_known

FIGURE = Published("EASE", "a table", "planted_log", {"m@1": 0.5}, "lambda 80", "ease", 0.01)


def verdicts(figures, records):
    return [(one.case, one.verdict) for one in known_answers(figures, records)]


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [(0.5, "meets"), (0.509, "meets"), (0.491, "meets"), (0.52, "better"), (0.48, "worse")],
)
def test_a_verdict_by_hand(record_of, ours, verdict):
    """Within 0.01 of 0.5 it is met, whichever side it lies on."""
    [answer] = known_answers([FIGURE], [record_of("ease", metrics={"m@1": ours})])
    assert (answer.verdict, answer.ours) == (verdict, ours)
    assert answer.difference == pytest.approx(ours - 0.5)


def test_the_interval_is_over_seeds(record_of):
    """0.1, 0.2 and 0.3: mean 0.2, t of two degrees 4.3027 times 0.1 over the root of three."""
    records = [record_of("a", seed=s, metrics={"m@1": s / 10}) for s in (1, 2, 3)]
    mean, interval = mean_over_seeds(records, "m@1")
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert mean == pytest.approx(0.2)
    assert interval == pytest.approx((0.2 - half, 0.2 + half))


def test_models_of_other_events_are_rows_of_their_own(record_of):
    """Seed 1 learned from training alone, 1 and 2 from all: .2 and .5, and no mean of them."""
    both = {"metrics": {"m@1": 0.5}, "learned_from": "training and validation"}
    made = (
        record_of("ease", trial_id="a", seed=1, metrics={"m@1": 0.2}, learned_from="training"),
        *(record_of("ease", trial_id=f"b{seed}", seed=seed, **both) for seed in (1, 2)),
    )
    answers = known_answers([FIGURE], made)
    assert [one.ours for one in answers] == pytest.approx([0.2, 0.5])
    text = render_known(answers, "text")
    rows = [line for line in text.splitlines() if line.startswith("EASE")]
    assert ["from training" in line for line in rows] == [True, True]
    assert ["from training and validation" in line for line in rows] == [False, True]
    assert "[1] ours learned from the training part alone, without the validation part" in text
    assert ["[1" in line for line in rows] == [True, False]


def test_repeats_of_a_seed_count_once(record_of):
    """Two repeats of seed 1 and one of seed 2: the mean of 0.2 and 0.5, not of three numbers."""
    values = [(1, 0, 0.1), (1, 1, 0.3), (2, 0, 0.5)]
    records = [record_of("a", seed=s, repeat=r, metrics={"m@1": v}) for s, r, v in values]
    assert mean_over_seeds(records, "m@1")[0] == pytest.approx(0.35)


def test_one_seed_has_the_interval_of_its_queries(record_of):
    """That of the record, which a bootstrap gave."""
    one = record_of("a", metrics={"m@1": 0.4}, metrics_ci={"m@1": (0.3, 0.5)})
    assert mean_over_seeds([one], "m@1") == (0.4, (0.3, 0.5))


def test_nothing_is_left_out(record_of):
    """A figure without a case, one without a record, a failed record, a case without a figure."""
    none = Published("NGCF", "a table", "planted_log", {"m@1": 0.1}, not_run="no such method")
    lost = dataclasses.replace(FIGURE, method="SLIM", case="slim")
    failed = record_of("ease", status="timeout", reason="ran past 3 s", metrics={})
    other = record_of("flat", metrics={"m@1": 0.2})
    found = known_answers([none, FIGURE, lost], [failed, other])
    assert [(one.case, one.verdict, one.reason) for one in found] == [
        ("", "not run", "no such method"),
        ("ease", "timeout", "ran past 3 s"),
        ("slim", "not run", "no record of case slim"),
        ("flat", "no published figure", ""),
    ]


def test_each_point_of_a_case_has_its_answer(record_of):
    """Two values of a build parameter are two answers; a figure of other data is none."""
    records = [record_of("ease", build={"l2": x}, metrics={"m@1": x}) for x in (0.5, 0.6)]
    strange = dataclasses.replace(FIGURE, dataset="yelp")
    assert verdicts([FIGURE, strange], records) == [("ease", "meets"), ("ease", "better")]


def test_the_table_says_source_difference_and_command(record_of):
    """Markdown, a row for each answer; each note stands once, under its number."""
    figure = dataclasses.replace(FIGURE, differs="seeds")
    told = {"metrics_ci": {"m@1": (0.51, 0.53)}, "learned_from": "training and validation"}
    record = record_of("ease", metrics={"m@1": 0.52}, fit_s=2.0, **told)
    text = render_known(known_answers([figure], [record]), "markdown", "where")
    row = next(line for line in text.splitlines() if line.startswith("| EASE"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:7] == ["EASE", "ease", "m@1", "0.5000", "0.5200 [0.5100, 0.5300]", "1", "+0.0200"]
    assert cells[7:] == ["0.01", "2.0", "cpu", "better [1] [2] [3]"]
    assert "[1] source: a table (lambda 80)" in text
    assert "[2] ours differs: seeds" in text
    assert f"[3] again: {record.replay}" in text
    assert text.startswith("where")


def test_a_row_whose_epoch_was_chosen_on_test_says_so_and_stands_alone(record_of):
    """It is neither the mean with the row chosen on validation nor without its mark."""
    usual = record_of("ease", metrics={"m@1": 0.5})
    chosen = record_of("ease", split="s(select_on=test)", warnings=(SELECTED_ON_TEST,))
    chosen = dataclasses.replace(chosen, metrics={"m@1": 0.6})
    answers = known_answers([FIGURE], [usual, chosen])
    assert [(one.ours, one.selected_on_test) for one in answers] == [(0.5, False), (0.6, True)]
    text = render_known(answers, "markdown")
    marked = [line for line in text.splitlines() if "epoch chosen on test" in line]
    assert len(marked) == 1
    assert "| better, epoch chosen on test [" in marked[0]
    assert f"] {SELECTED_ON_TEST}" in text


def test_points_of_a_case_are_told_apart(record_of):
    """Two settings of one case say which is which, a failed one too; a lone point needs no word."""
    made = [(64, {"metrics": {"m@1": 0.5}}), (128, {"status": "failed", "metrics": {}})]
    records = [record_of("ease", search={"ef": n, "k": 1}, **fields) for n, fields in made]
    answers = known_answers([FIGURE], [*records, record_of("flat", metrics={"m@1": 0.2})])
    rows = render_known(answers, "markdown").splitlines()
    cells = [[x.strip() for x in one.split("|")[2:4]] for one in rows if one.startswith("|")]
    assert cells[0] == ["case", "setting"]
    assert cells[2:] == [["ease", "ef=64"], ["ease", "ef=128"], ["flat", ""]]
    assert "setting" not in render_known(answers[2:], "markdown")


def test_csv_says_in_columns_what_notes_say(record_of):
    """Numbers are read by pandas as numbers, source and command beside them."""
    record = record_of("ease", metrics={"m@1": 0.52}, metrics_ci={"m@1": (0.51, 0.53)}, fit_s=2.0)
    found = pd.read_csv(io.StringIO(known_csv(known_answers([FIGURE], [record]))))
    [row] = found.to_dict("records")
    numbers = {"published": 0.5, "ours": 0.52, "low": 0.51, "high": 0.53, "difference": 0.02}
    assert {name: row[name] for name in numbers} == pytest.approx(numbers)
    assert (row["verdict"], row["source"], row["n_seeds"]) == ("better", "a table", 1)
    assert record.replay in row["replay"]


def test_seeds_that_came_to_nothing_are_named(record_of):
    """The verdict is that of the others; a note says which ended how, once for each way."""
    good = record_of("ease", seed=7, metrics={"m@1": 0.5})
    late = [
        record_of("ease", seed=s, status="timeout", reason="ran past 9 s", metrics={})
        for s in (8, 9, 9)
    ]
    full = record_of("ease", seed=10, status="out_of_memory", reason="4 GB", metrics={})
    again = record_of("ease", seed=7, status="timeout", reason="ran past 9 s", metrics={})
    [answer] = known_answers([FIGURE], [good, *late, full, again])
    assert (answer.verdict, answer.ours) == ("meets", 0.5)
    assert answer.reason == (
        "left out: seeds 8, 9: timeout: ran past 9 s; left out: seed 10: out_of_memory: 4 GB"
    )
    assert answer.reason in " ".join(render_known([answer], "text").split())
    assert known_answers([FIGURE], [good])[0].reason == ""
