"""Every field of a record is documented, and earlier schemas stay readable."""

import json
import re
from pathlib import Path

import pytest

from harness.record import Record, field_types

ROOT = Path(__file__).resolve().parents[2]


def test_every_field_is_documented():
    """results/README.md names exactly the fields of a record, in the order of the record."""
    text = (ROOT / "results" / "README.md").read_text()
    table = text[text.index("## Fields") :].partition("\n### ")[0]  # below: keys of one field
    named = [
        name
        for line in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", line)
    ]
    assert sorted(named) == sorted(field_types())


def test_records_of_every_schema_are_read():
    """The golden line of each schema parses, and its numbers come back unchanged."""
    for path in sorted((ROOT / "tests" / "golden").glob("record-schema-*.json")):
        record = Record.from_json(path.read_text())
        assert record.metrics["ndcg@10"] == 0.25
        assert record.metrics_ci["ndcg@10"] == (0.2, 0.3)


EPOCHS = {"fit": [{"epoch": 1, "validation": 0.1}]}


@pytest.mark.parametrize(
    ("told", "learned_from"),
    [
        ({"refit_s": None, "history": EPOCHS}, "training"),
        ({"refit_s": 2.0, "history": EPOCHS}, "training and validation"),
        ({"refit_s": None, "history": {}}, "training and validation"),
        ({"refit_s": None, "history": {}, "status": "failed"}, None),
        ({"refit_s": None, "history": EPOCHS, "split": "a(select_on=test)"},
         "training and validation"),
    ],
)  # fmt: skip
def test_earlier_records_tell_what_was_learned_from(told, learned_from):
    """By what was refitted, what had validation scores, what chose on test; a failure does not."""
    line = json.loads((ROOT / "tests" / "golden" / "record-schema-4.json").read_text())
    assert Record.from_json(json.dumps(line | told)).learned_from == learned_from
