"""Published figures: read whole or refused with the place, shown for their own data alone."""

import tomllib

import pytest

from harness.compare.published import parse_published, published_rows
from harness.errors import RecordError

GOOD = """
[[figure]]
method = "LightGCN"
source = "a paper, table 3"
dataset = "gowalla"
protocol = "its own split"
metrics = { "recall@20" = 0.18, "ndcg@20" = 0.15 }
"""


def test_figures_of_the_same_data_and_metric_are_rows():
    """Of two metrics the one that we have; of another data set none."""
    figures = parse_published(tomllib.loads(GOOD), "f.toml")
    [row] = published_rows(figures, "gowalla(min=10)", ["recall@20", "recall@50"])
    assert (row["case"], row["metric"], row["value"]) == ("LightGCN", "recall@20", 0.18)
    assert (row["status"], row["reason"]) == ("not run here", "a paper, table 3; its own split")
    assert published_rows(figures, "yelp", ["recall@20"]) == []


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('source = "a paper, table 3"', "", "figure 1: lacks 'source'"),
        ('source = "a paper, table 3"', "source = 3", "source = 3 must be text"),
        ("protocol", "protocl", "unknown key 'protocl'; did you mean 'protocol'"),
        ("0.18", "18.3", "recall@20 = 18.3 must be a share"),
        ("0.18", "true", "recall@20 = True must be a share"),
        ("[[figure]]", "[[figures]]", "unknown key 'figures'"),
        ("protocol", "tolerance = 3\nprotocol", "tolerance = 3 must be a share"),
        ("protocol", "case = 3\nprotocol", "case = 3 must be text"),
    ],
)
def test_a_wrong_file_is_refused(before, after, message):
    """A figure without a source, a percentage for a share, a misspelt key: named with the place."""
    table = tomllib.loads(GOOD.replace(before, after))
    with pytest.raises(RecordError, match=r"f\.toml") as raised:
        parse_published(table, "f.toml")
    assert message in str(raised.value)
