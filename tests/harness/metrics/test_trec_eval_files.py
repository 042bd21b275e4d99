"""trec_eval's own test: its inputs give its expected outputs, to the four decimals it prints."""

import gzip

import numpy as np
import pytest

from harness.lists import Lists
from harness.metrics.evaluate import evaluate
from harness.metrics.metric import parse_metric

NAMES = {
    "recall": "recall",
    "P": "precision",
    "ndcg_cut": "ndcg",
    "map_cut": "map",
    "success": "hit_rate",
}

pytestmark = pytest.mark.data


def lines(path):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as file:
        yield from (line.split() for line in file if line.strip())


def read_relevant(path):
    """Return the relevant documents of each judged query, of some none."""
    relevant = {}
    for query, _, document, grade, *_ in lines(path):
        found = relevant.setdefault(query, set())
        if int(grade) > 0:
            found.add(document)
    return relevant


def read_run(path):
    """Return the documents of each query in trec_eval's order: score, then id, both descending."""
    run = {}
    for query, _, document, _, score, *_ in lines(path):
        run.setdefault(query, []).append((np.float32(score), document))
    return {query: [one for _, one in sorted(found, reverse=True)] for query, found in run.items()}


def expected_values(path):
    """Return (our metric's name, query, printed value) for every line that we have a name for."""
    for name, query, value in lines(path):
        stem, _, cut = name.rpartition("_")
        if stem in NAMES and cut.isdigit():
            yield f"{NAMES[stem]}@{cut}", query, float(value)
        elif name in ("map", "recip_rank"):
            yield f"{'map' if name == 'map' else 'mrr'}@1000", query, float(value)


@pytest.mark.parametrize(
    ("judged", "run", "expected", "all_judged"),
    [
        ("qrels.test", "results.test", "out.test.aq", False),
        ("qrels.test", "results.test", "out.test.a", False),
        ("qrels.test", "results.trunc", "out.test.aqc", True),
        ("qrels.comment.test.gz", "results.comment.test.gz", "out.comment.test", False),
    ],
)
def test_expected_outputs(data_root, judged, run, expected, all_judged):
    """Per query and in the mean; with -c a judged query without results counts as 0.

    trec_eval's mean also counts a query without relevant documents as 0. We refuse such a query,
    so the mean is taken over its divisor here.
    """
    folder = data_root / "trec_eval_test"
    relevant, lists = read_relevant(folder / judged), read_run(folder / run)
    judged_queries = relevant.keys() if all_judged else relevant.keys() & lists.keys()
    queries = sorted(query for query in judged_queries if relevant[query])
    documents = {one for found in (*relevant.values(), *lists.values()) for one in found}
    numbers = {document: number for number, document in enumerate(sorted(documents))}
    ids = np.full((len(queries), max(map(len, lists.values()))), -1)
    for row, query in zip(ids, queries, strict=True):
        found = [numbers[one] for one in lists.get(query, [])]
        row[: len(found)] = found
    answers = Lists.of([[numbers[one] for one in relevant[query]] for query in queries])
    wanted = list(expected_values(folder / expected))
    names = list(dict.fromkeys(name for name, _, _ in wanted))
    values = evaluate([parse_metric(name) for name in names], ids, answers, len(numbers))
    checked = 0
    for name, query, printed in wanted:
        if query != "all" and query not in queries:
            continue
        mean = values[name].sum() / len(judged_queries)
        value = mean if query == "all" else values[name][queries.index(query)]
        assert value == pytest.approx(printed, abs=5.1e-5), (name, query)
        checked += 1
    assert checked >= 10
