"""The same numbers as the field's own programs, to 1e-9, on random runs without ties."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.lists import Lists
from harness.metrics.evaluate import evaluate
from harness.metrics.metric import parse_metric

with warnings.catch_warnings():  # theirs: deprecations and numba's advice
    warnings.simplefilter("ignore")
    import ir_measures
    import pytrec_eval
    import ranx

N_ITEMS = 30
CUTS = (1, 2, 5, 10, 20, 25)
THEIRS = pytest.mark.filterwarnings("ignore")

# our name -> theirs; a name without a cut is asked of a run that is cut beforehand
TREC = {
    "recall": "recall_{k}",
    "precision": "P_{k}",
    "ndcg": "ndcg_cut_{k}",
    "map": "map_cut_{k}",
    "hit_rate": "success_{k}",
    "mrr": "recip_rank",
}
IR_MEASURES = {
    "recall": "R@{k}",
    "precision": "P@{k}",
    "ndcg": "nDCG@{k}",
    "map": "AP@{k}",
    "hit_rate": "Success@{k}",
    "mrr": "RR@{k}",
}
RANX = {name: name + "@{k}" for name in TREC}


@st.composite
def runs(draw):
    """Return the lists and relevant items of a few queries; a list may be short, never empty."""
    seed, n = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 8))
    random = np.random.default_rng(seed)
    ids = np.full((n, 20), -1)
    for row in ids:
        length = random.integers(1, 21)
        row[:length] = random.permutation(N_ITEMS)[:length]
    relevant = [random.permutation(N_ITEMS)[: random.integers(1, N_ITEMS)].tolist() for _ in ids]
    return ids, relevant


def as_dicts(ids, relevant, cut=None):
    """Return run and judgements as trec_eval has them; the scores are strict: no ties."""
    run = {
        f"q{number}": {f"d{item}": 100.0 - rank for rank, item in enumerate(row[:cut]) if item >= 0}
        for number, row in enumerate(ids)
    }
    judged = {
        f"q{number}": {f"d{item}": 1 for item in items} for number, items in enumerate(relevant)
    }
    return run, judged


def ours(name, k, ids, relevant):
    metric = parse_metric(f"{name}@{k}")
    return evaluate([metric], ids, Lists.of(relevant), N_ITEMS)[str(metric)]


@THEIRS
@settings(max_examples=60, deadline=None)
@given(runs())
def test_agrees_with_trec_eval(case):
    """pytrec_eval, which is trec_eval's C code, gives our values for every metric it has."""
    ids, relevant = case
    for k in CUTS:
        run, judged = as_dicts(ids, relevant, cut=k)
        names = {name: theirs.format(k=k) for name, theirs in TREC.items()}
        wanted = {
            one if one == "recip_rank" else one[::-1].replace("_", ".", 1)[::-1]
            for one in names.values()
        }
        theirs = pytrec_eval.RelevanceEvaluator(judged, wanted).evaluate(run)
        for name, their_name in names.items():
            expected = [theirs[f"q{number}"][their_name] for number in range(len(ids))]
            assert ours(name, k, ids, relevant) == pytest.approx(expected, abs=1e-9), (name, k)


@THEIRS
@settings(max_examples=15, deadline=None)
@given(runs())
def test_agrees_with_ir_measures(case):
    """ir_measures gives our values, with its own name for each cut."""
    ids, relevant = case
    run, judged = as_dicts(ids, relevant)
    names = {theirs.format(k=k): (name, k) for name, theirs in IR_MEASURES.items() for k in CUTS}
    measures = {ir_measures.parse_measure(text): text for text in names}
    found = {text: np.full(len(ids), np.nan) for text in names}
    for one in ir_measures.iter_calc(list(measures), judged, run):
        found[measures[one.measure]][int(one.query_id[1:])] = one.value
    for text, (name, k) in names.items():
        assert ours(name, k, ids, relevant) == pytest.approx(found[text], abs=1e-9), text


@THEIRS
@pytest.mark.slow  # ranx compiles each of its metrics first
@settings(max_examples=15, deadline=None)
@given(runs())
def test_agrees_with_ranx(case):
    """Ranx gives our values for every metric."""
    ids, relevant = case
    run, judged = as_dicts(ids, relevant)
    names = {theirs.format(k=k): (name, k) for name, theirs in RANX.items() for k in CUTS}
    found = ranx.evaluate(
        ranx.Qrels(judged), ranx.Run(run), list(names), return_mean=False, threads=1
    )
    for text, (name, k) in names.items():
        assert ours(name, k, ids, relevant) == pytest.approx(found[text], abs=1e-9), text
