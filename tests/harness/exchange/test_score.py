"""`matchbench score`: our metrics of any run file, held against trec_eval, BEIR's form and HDF5."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import pytrec_eval

from harness.cli import main
from harness.errors import ExchangeError
from harness.exchange.ann_results import read_result
from harness.exchange.named_json import read_named
from harness.exchange.rankings import align

RUN = {
    "q1": {"d1": 3.0, "d2": 2.0, "d3": 2.0, "d4": 1.0},
    "q2": {"d9": 1.0, "d1": 0.5},
    "q9": {"d1": 1.0},
}
JUDGED = {"q1": {"d2": 1, "d8": 2, "d4": 0}, "q2": {"d1": 1}, "q3": {"d1": 1}, "q4": {"d5": 0}}


def score(capsys, *words):
    assert main(["score", *map(str, words), "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def files(tmp_path):
    """Return a run and qrels, each as TREC text and as JSON, the qrels as BEIR's table too."""
    lines = [f"{q} Q0 {d} 0 {s} x" for q, found in RUN.items() for d, s in found.items()]
    (tmp_path / "run").write_text("\n".join(lines))
    rows = [(q, d, g) for q, found in JUDGED.items() for d, g in found.items()]
    (tmp_path / "qrels").write_text("".join(f"{q} 0 {d} {g}\n" for q, d, g in rows))
    header = "query-id\tcorpus-id\tscore\n"
    (tmp_path / "test.tsv").write_text(header + "".join(f"{q}\t{d}\t{g}\n" for q, d, g in rows))
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    (tmp_path / "qrels.json").write_text(json.dumps(JUDGED))
    return tmp_path


@pytest.mark.parametrize("run", ["run", "run.json"])
@pytest.mark.parametrize("qrels", ["qrels", "test.tsv", "qrels.json"])
def test_every_form_scores_the_same_by_hand(files, capsys, run, qrels):
    """q1: d3 stands before d2 (a tie, by name descending), which has rank 3; q2: d1 has rank 2.

    recall@3 = (1/2 + 1 + 0) / 3, mrr@3 = (1/3 + 1/2 + 0) / 3: q3 has no answer. q4 has nothing
    relevant and q9 no judgement: both are left out.
    """
    found = score(capsys, files / run, files / qrels, "--metric", "recall@3", "mrr@3")
    assert found["metrics"] == pytest.approx({"recall@3": 1.5 / 3, "mrr@3": (1 / 3 + 1 / 2) / 3})
    counts = ("queries", "missing", "unjudged", "without_relevant", "tied_lists")
    assert [found[name] for name in counts] == [3, 1, 1, 1, 1]


def test_a_minimal_grade_leaves_what_is_above(files, capsys):
    """From grade 2 on only d8 is relevant, to q1, which did not get it."""
    found = score(capsys, files / "run", files / "qrels", "--min-grade", "2")
    assert found["queries"] == 1
    assert set(found["metrics"].values()) == {0.0}


def test_random_runs_score_as_trec_eval_scores_them(tmp_path, capsys):
    """60 queries, scores of one decimal (ties in every list), some without an answer."""
    random = np.random.default_rng(5)
    run, judged = {}, {}
    for query in range(60):
        documents = random.permutation(200)[:50]
        scores = np.round(random.random(50), 1).tolist()
        if query % 7:
            run[f"q{query}"] = {f"d{d}": s for d, s in zip(documents, scores, strict=True)}
        judged[f"q{query}"] = {f"d{d}": 1 for d in random.permutation(200)[:20].tolist()}
    (tmp_path / "run.json").write_text(json.dumps(run))
    (tmp_path / "qrels.json").write_text(json.dumps(judged))
    names = {"ndcg_cut_10": "ndcg@10", "recall_10": "recall@10", "map_cut_20": "map@20"}
    found = score(
        capsys, tmp_path / "run.json", tmp_path / "qrels.json", "--metric", *names.values()
    )
    measures = {"ndcg_cut.10", "recall.10", "map_cut.20"}
    theirs = pytrec_eval.RelevanceEvaluator(judged, measures).evaluate(run)
    for name, ours in names.items():
        expected = sum(one[name] for one in theirs.values()) / 60  # a missing query scores 0
        assert found["metrics"][ours] == pytest.approx(expected, abs=1e-9)


def test_our_own_export_scores_as_the_record(run, tmp_path, capsys):
    """There and back: the run and qrels that `export` wrote give the metrics of the record."""
    assert main(["export", str(run.folder), "--to", "trec", "-o", str(tmp_path)]) == 0
    capsys.readouterr()
    for record in run.records:
        words = (tmp_path / f"{record.case}.run", tmp_path / "qrels.txt")
        found = score(capsys, *words, "--metric", *record.metrics)
        assert found["metrics"] == pytest.approx(dict(record.metrics))
        assert (found["missing"], found["tied_lists"]) == (0, 0)


@pytest.mark.data
def test_official_files_of_trec_eval(data_root, capsys):
    """Its own results.test and qrels.test give the means that it prints for the same queries."""
    folder = data_root / "trec_eval_test"
    names = {"P_10": "precision@10", "recip_rank": "mrr@1000", "map": "map@1000"}
    expected = {}
    for line in (folder / "out.test").read_text().splitlines():
        name, query, value = line.split()
        if query == "all" and name in names:
            expected[names[name]] = float(value)
    assert expected
    found = score(
        capsys, folder / "results.test", folder / "qrels.test", "--metric", *names.values()
    )
    answered = found["queries"] - found["missing"]  # trec_eval's means are over these
    for name, value in expected.items():
        mean = found["metrics"][name] * found["queries"] / answered
        assert mean == pytest.approx(value, abs=5e-5), name


@pytest.fixture
def ann(tmp_path):
    """Return a result and a data file: two queries, two of three and none of three neighbours.

    To query 0 item 7 is as near as the third neighbour, which it stands for.
    """
    with h5py.File(tmp_path / "data.hdf5", "w") as file:
        file["neighbors"] = np.array([[1, 2, 3, 4], [5, 6, 7, 8]])
        file["distances"] = np.array([[0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4]], np.float32)
        file.attrs["distance"] = "euclidean"
    with h5py.File(tmp_path / "result.hdf5", "w") as file:
        file["neighbors"] = np.array([[1, 9, 7], [8, -1, -1]], np.int32)
        file["distances"] = np.array([[0.1, 0.7, 0.3], [0.4, np.inf, np.inf]], np.float32)
        file["times"] = np.array([0.5, 0.25])
        file.attrs.update(
            {"best_search_time": 0.25, "build_time": 2.0, "index_size": 3.0, "name": b"x"}
        )
    return tmp_path


def test_result_files_of_ann_benchmarks_by_hand(ann, capsys):
    """By distance query 0 has 2 of 3 and query 1 none: 1/3; by id 1 of 3 and none: 1/6."""
    found = score(capsys, ann / "result.hdf5", ann / "data.hdf5")
    assert found["metrics"] == pytest.approx({"ann_recall@3": 1 / 3, "recall@3": 1 / 6})
    assert (found["qps"], found["build_s"], found["index_bytes"]) == (4.0, 2.0, 3072.0)
    assert read_result(ann / "result.hdf5").times.tolist() == [0.5, 0.25]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["result.hdf5", "qrels"], "expected HDF5 for both"),
        (["result.hdf5", "data.hdf5", "--metric", "ndcg@3"], "only ann_recall and recall"),
        (["result.hdf5", "data.hdf5", "--metric", "recall@9"], "holds 4 true neighbours"),
        (["data.hdf5", "empty.hdf5"], "expected the data set 'neighbors'"),
        (["cut.hdf5", "data.hdf5"], "cannot be read as HDF5"),
        (["nowhere", "qrels"], "nowhere: cannot be read: No such file"),
        (["qrels", "qrels"], "line 1: found 4 words, expected six"),
        (["run.json", "broken.json"], "broken.json: line 2: is not JSON"),
        (["run.json", "list.json"], "query 'q' holds list"),
        (["run.json", "other.json"], "share no query: the run has q1, q2, q9"),
        (["run.json", "qrels.json", "--metric", "recal@3"], "did you mean 'recall'"),
        (["run.json", "qrels.json", "--metric", "coverage@3"], "needs more than a run"),
        (["run.json", "qrels.json", "--min-grade", "7"], "no judgement has a grade of at least 7"),
    ],
)
def test_faults_are_one_message(files, ann, capsys, words, message):
    """What was given and what was expected, with the file; exit status 2."""
    with h5py.File(files / "empty.hdf5", "w"):
        pass
    (files / "cut.hdf5").write_bytes((files / "data.hdf5").read_bytes()[:500])
    (files / "broken.json").write_text('{"q":\n{]}')
    (files / "list.json").write_text('{"q": []}')
    (files / "other.json").write_text('{"x": {"d": 1}}')
    paths = [str(files / one) if Path(one).suffix or not n else one for n, one in enumerate(words)]
    paths[1] = str(files / words[1])
    assert main(["score", *paths]) == 2
    assert message in capsys.readouterr().err


def test_text_shows_intervals_and_keeps_counts_off_standard_output(files, capsys):
    """A metric a line; how many queries stand behind it goes to standard error."""
    assert main(["score", str(files / "run"), str(files / "qrels"), "--metric", "mrr@3"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("mrr@3")
    assert "±" in told.out
    assert "missing" in told.err


def test_a_number_that_json_has_and_we_do_not(tmp_path):
    """Infinity and truth values are no scores."""
    for value in ("Infinity", "true", '"1"'):
        (tmp_path / "r.json").write_text(f'{{"q": {{"d": {value}}}}}')
        with pytest.raises(ExchangeError, match="query 'q', document 'd'"):
            read_named(tmp_path / "r.json")


def test_order_is_by_single_precision_as_in_trec_eval():
    """1 and 1 + 1e-9 are one float32, so the later name comes first."""
    aligned = align({"q": {"a": 1 + 1e-9, "b": 1.0}}, {"q": {"a": 1}})
    assert aligned.ids.tolist() == [[0, 1]]
    assert aligned.relevant.row(0).tolist() == [1]
    assert aligned.tied_lists == 1
