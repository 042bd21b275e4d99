"""TREC files: trec_eval itself reads what we write and gives our values; faults name the line."""

import numpy as np
import pytest
import pytrec_eval

from harness.cli import main
from harness.errors import ExchangeError
from harness.exchange.trec import query_names, read_qrels, read_run, write_qrels, write_run
from harness.lists import Lists

OURS = {
    "recall_5": "recall@5", "recall_10": "recall@10", "ndcg_cut_5": "ndcg@5",
    "ndcg_cut_10": "ndcg@10", "map_cut_10": "map@10", "recip_rank": "mrr@10", "P_5": "precision@5",
    "success_10": "hit_rate@10",
}  # fmt: skip


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trec")
    assert main(["export", str(run.folder), "--to", "trec", "-o", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("case", ["tied", "clear"])
def test_trec_eval_gives_the_values_of_the_record(run, exported, case):
    """Of lists with ties, and of lists that are short: every metric that both have, as a mean.

    trec_eval breaks ties by document id descending; were they left, its values would differ.
    """
    with (exported / "qrels.txt").open() as qrels, (exported / f"{case}.run").open() as found:
        judged, answers = pytrec_eval.parse_qrel(qrels), pytrec_eval.parse_run(found)
    measures = {"recall.5,10", "ndcg_cut.5,10", "map_cut.10", "recip_rank", "P.5", "success.10"}
    values = pytrec_eval.RelevanceEvaluator(judged, measures).evaluate(answers)
    assert len(values) == len(run.parts.test)
    [record] = [one for one in run.records if one.case == case]
    for theirs, ours in OURS.items():
        mean = np.mean([one[theirs] for one in values.values()])
        assert mean == pytest.approx(record.metrics[ours], abs=1e-9), theirs


def test_without_strict_scores_trec_eval_would_differ(run):
    """The tie rule matters on these lists: the same ids with the given scores score otherwise."""
    lists, relevant = run.lists["tied"], run.parts.test.relevant
    names = query_names(lists.user_ids)
    answers = {
        name: {str(i): float(s) for i, s in zip(ids, scores, strict=True) if i >= 0}
        for name, ids, scores in zip(names, lists.answers.ids, lists.answers.scores, strict=True)
    }
    judged = {name: {str(i): 1 for i in relevant.row(row)} for row, name in enumerate(names)}
    values = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut.5"}).evaluate(answers)
    mean = np.mean([one["ndcg_cut_5"] for one in values.values()])
    assert abs(mean - run.records[0].metrics["ndcg@5"]) > 1e-3


def test_ties_are_told(exported):
    """A line for each run; the one whose scores never tie was not touched."""
    tied, clear = (exported / "ties.txt").read_text().splitlines()
    assert tied.startswith("tied: ")
    assert " 0 of " not in tied
    assert clear.startswith("clear: 0 of ")
    assert "; 0 of " in clear


def test_what_is_written_comes_back(tmp_path):
    """Ids and order of a run, pads left out, scores to the bit; the relevant items of qrels."""
    ids = np.array([[7, 3, -1], [2, 9, 4]])
    scores = np.array([[0.1, 0.1 - 1e-8, -np.inf], [3, 2, 1]], np.float32)
    write_run(tmp_path / "r", ["a", "b"], ids, scores, "tag")
    assert read_run(tmp_path / "r") == {
        "a": {"7": pytest.approx(0.1), "3": pytest.approx(0.1)}, "b": {"2": 3, "9": 2, "4": 1}
    }  # fmt: skip
    assert np.float32(read_run(tmp_path / "r")["a"]["7"]) == scores[0, 0]
    write_qrels(tmp_path / "q", ["a", "b"], Lists.of([[5], [1, 2]]))
    assert read_qrels(tmp_path / "q") == {"a": {"5": 1}, "b": {"1": 1, "2": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q Q0 d 1 0.5 t\nq Q0 e 2 0.4\n", "line 2: found 5 words, expected six: query Q0"),
        ("q Q0 d 1 high t\n", "line 1: found 'high', expected a score, a finite number"),
        ("q Q0 d 1 nan t\n", "line 1: found 'nan'"),
        ("\nq Q0 d 1 2 t\nq Q0 d 2 1 t\n", "line 3: found document d of query q again"),
        ("\n", "holds no line"),
        ("q Q0 d 1 2 \xff\n", "line 1: found byte 0xff, expected UTF-8"),
    ],
)
def test_a_fault_of_a_run_names_its_line(tmp_path, text, message):
    """File, line, what was found and what was expected."""
    (tmp_path / "x.run").write_bytes(text.encode("latin-1"))
    with pytest.raises(ExchangeError, match=message) as caught:
        read_run(tmp_path / "x.run")
    assert "x.run" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q 0 d\n", "line 1: found 3 words, expected 4: query 0 document grade"),
        ("q 0 d one\n", "line 1: found 'one', expected a grade"),
        ("q 0 d 1\nq 0 d 2\n", "line 2: found document d of query q again, graded 2, expected 1"),
        ("query-id\tcorpus-id\tscore\nq\td\n", "line 2: found 2 words, expected 3: query-id"),
    ],
)
def test_a_fault_of_qrels_names_its_line(tmp_path, text, message):
    """File, line, what was found and what was expected."""
    (tmp_path / "q.txt").write_text(text)
    with pytest.raises(ExchangeError, match=message):
        read_qrels(tmp_path / "q.txt")


def test_names_of_queries():
    """The user's id where each query has a known user of its own, else the row."""
    assert query_names(np.array([5, 2])) == ["5", "2"]
    assert query_names(np.array([5, 5])) == query_names(np.array([5, -1])) == ["0", "1"]
