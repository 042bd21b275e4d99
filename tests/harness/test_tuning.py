"""A trial of a tuning is one documented line, and other lines are refused by what is wrong."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from harness.errors import RecordError
from harness.tuning import Outcome, TuningTrial

ROOT = Path(__file__).resolve().parents[2]
TRIAL = TuningTrial(
    study="s", number=0, suite="s", case="c", method="m", values={"dim": 8}, build={"dim": 8},
    status="ok", metric="ndcg@10", value=0.1 + 0.2, seconds=1.5, space={"dim": [8, 16]},
    sampler="tpe", seed=7, device="cpu", data_hash="d", code_hash="h", commit="c", started_at="t",
)  # fmt: skip


def test_every_field_is_documented():
    """results/README.md names exactly the fields of a trial."""
    text = (ROOT / "results" / "README.md").read_text()
    table = text[text.index("## Fields of a trial of a tuning") :]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(one.name for one in fields(TuningTrial))


def test_a_line_is_read_back_bit_by_bit():
    """A value of a trial decides what is tried next, so none of its digits may be lost."""
    assert TuningTrial.from_json(TRIAL.to_json()) == TRIAL


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{", "is no trial of a tuning"),
        ("[]", "is no trial of a tuning"),
        ('{"schema":2}', "has schema 2; this program reads 1"),
        ('{"schema":1,"more":0}', "is no trial of a tuning.*more"),
        ('{"schema":1}', "is no trial of a tuning.*study"),
    ],
)
def test_other_lines_are_refused(line, fault):
    """What is wrong is said; the log adds the file and the line's number."""
    with pytest.raises(RecordError, match=fault):
        TuningTrial.from_json(line)


def test_the_best_is_the_first_of_equals():
    """The default stands where nothing is above it; failures have no part."""
    values = (0.25, None, 0.25, 0.125)
    trials = [replace(TRIAL, number=n, value=value) for n, value in enumerate(values)]
    outcome = Outcome("c", 4, trials)
    assert (outcome.best, outcome.n_failed) == (trials[0], 1)
    assert Outcome("c", 4, trials[1:2]).best is None
