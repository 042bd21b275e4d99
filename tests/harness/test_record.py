"""Every field of a record is documented, and earlier schemas stay readable."""

import re
from pathlib import Path

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
