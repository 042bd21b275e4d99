"""Evaluation by hand: worked cases, what never hits, wrong input."""

import json
from pathlib import Path

import numpy as np
import pytest

from harness.lists import Lists
from harness.metrics.evaluate import coverage, evaluate, evaluate_run
from harness.metrics.metric import Metric, parse_metric

GOLDEN = Path(__file__).parents[2] / "golden" / "metrics.json"
CASES = json.loads(GOLDEN.read_text())
N_ITEMS = 10


def values_of(metric, ids, relevant, n_items=N_ITEMS):
    return evaluate([parse_metric(metric)], np.array(ids), Lists.of(relevant), n_items)[metric]


@pytest.mark.parametrize(
    ("case", "metric"),
    [(case, metric) for case in CASES for metric in case["working"]],
    ids=lambda value: value["fact"] if isinstance(value, dict) else value,
)
def test_worked_by_hand(case, metric):
    """Each metric gives what the working in tests/golden/metrics.json arrives at."""
    _, expected = case["working"][metric]
    assert values_of(metric, [case["ids"]], [case["relevant"]]) == pytest.approx(
        [expected], abs=1e-15
    )


def test_queries_do_not_disturb_each_other():
    """All cases at once give what each gives alone."""
    ids, relevant = [case["ids"] for case in CASES], [case["relevant"] for case in CASES]
    for metric in ("recall@3", "ndcg@4", "map@4", "mrr@4", "hit_rate@1", "precision@2"):
        alone = [values_of(metric, [i], [r])[0] for i, r in zip(ids, relevant, strict=True)]
        assert values_of(metric, ids, relevant).tolist() == alone


def test_metrics_come_in_the_order_given_one_value_a_query():
    """The result keeps the order of the metrics and is float64 (n,)."""
    metrics = [parse_metric(name) for name in ("ndcg@2", "recall@1")]
    values = evaluate(metrics, np.array([[0], [1]]), Lists.of([[0], [0]]), 2)
    assert list(values) == ["ndcg@2", "recall@1"]
    assert all(one.dtype == np.float64 and one.shape == (2,) for one in values.values())


def test_an_unknown_id_never_hits():
    """Ids beyond the catalogue and below -1 are passed over."""
    assert values_of("recall@4", [[99, -7, 10, 3]], [[3, 4]]).tolist() == [0.5]


def test_a_repeated_relevant_item_counts_once():
    """|relevant| is the number of distinct items."""
    assert values_of("recall@1", [[3]], [[3, 3, 4, 4]]).tolist() == [0.5]


def test_a_cut_above_the_width_takes_the_list_as_it_is():
    """recall@100 of lists of two items is recall of the two."""
    assert values_of("recall@100", [[3, 4]], [[3, 4]]).tolist() == [1.0]


def test_a_view_that_is_neither_contiguous_nor_writable_will_do():
    """One list shown to all queries without a copy is evaluated like copies of it."""
    ids = np.broadcast_to(np.array([3, 4, 5])[::-1], (2, 3))
    assert values_of("mrr@3", ids, [[5], [3]]).tolist() == [1.0, 1 / 3]


def test_no_queries_give_no_values():
    """An empty part of a data set is evaluated to nothing, without an error."""
    assert values_of("recall@2", np.empty((0, 2), np.int64), []).shape == (0,)


def test_a_query_without_relevant_items_is_refused():
    """Its recall is undefined; the message says which query it is."""
    with pytest.raises(ValueError, match="1 queries have no relevant items, the first is query 1"):
        values_of("recall@2", [[1, 2], [1, 2]], [[1], []])


@pytest.mark.parametrize("relevant", [[[10]], [[-1]]])
def test_a_relevant_id_outside_the_catalogue_is_refused(relevant):
    """It could never be found, so it is a fault of the data, not of the method."""
    with pytest.raises(ValueError, match=r"relevant ids must lie in 0\.\.9"):
        values_of("recall@2", [[1, 2]], relevant)


@pytest.mark.parametrize("ids", [[[1], [2]], [1]])
def test_lists_that_do_not_fit_the_queries_are_refused(ids):
    """There must be one row of ids per query."""
    with pytest.raises(ValueError, match="expected \\(1, k\\)"):
        values_of("recall@2", ids, [[1]])


@pytest.mark.parametrize("name", ["coverage@2", "ann_recall@2"])
def test_a_metric_of_another_kind_is_refused(name):
    """Coverage has no value per query and ann_recall needs the exact list."""
    with pytest.raises(ValueError, match=f"{name} is not computed per query"):
        values_of(name, [[1]], [[1]])


def test_coverage_counts_what_any_query_got():
    """Lists [0 1], [1 2] and [9 pad] of 10 items: 0, 1, 2, 9 at 2; 0, 1, 9 at 1."""
    ids = np.array([[0, 1], [1, 2], [9, -1]])
    assert coverage(ids, 10, 2) == 0.4
    assert evaluate_run([Metric("coverage", 1)], ids, 10) == {"coverage@1": 0.3}
    assert coverage(np.array([[12, -5]]), 10, 2) == 0.0


def test_a_metric_per_query_has_no_value_of_the_run():
    """evaluate_run refuses recall instead of averaging it."""
    with pytest.raises(ValueError, match="recall@5 has a value per query"):
        evaluate_run([Metric("recall", 5)], np.array([[1]]), 10)
