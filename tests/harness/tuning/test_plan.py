"""Planning: where spaces come from, and what is said of bad ones."""

import dataclasses
import re

import pytest

from harness.cli import main
from harness.errors import SuiteError
from harness.run.plan import Choice
from harness.run.suite import read_suite
from harness.run.trial_spec import TrialSpec
from harness.run.tuning_plan import default_metric, plan_tuning
from harness.spaces import Range
from methods import CATALOG


def planned(path, metric="recall@20", **options):
    return plan_tuning(read_suite(path), Choice(), metric, **options)


def test_spaces_come_from_the_table_else_from_the_method(make_suite):
    """A table replaces what the method declares; what `build` sets is left as it is."""
    path = make_suite(
        'method = "aimed"',
        'name = "own"\nmethod = "aimed_too"\ntune = { pairs = [2, 4] }',
        'name = "set"\nmethod = "aimed"\nbuild = { aim = 0.5 }',
        'name = "both"\nmethod = "aimed"\nbuild = { aim = 0.6 }\ntune = { aim = [0.6, 0.7] }',
        'name = "none"\nmethod = "aimed"\nbuild = { pairs = 4 }\ntune = {}',
        'method = "popularity"',
    )
    cases = planned(path)
    spaces = [dict(one.space) for one in cases]
    assert spaces == [{"aim": Range(0.0, 1.0)}, {"pairs": (2, 4)}, {}, {"aim": (0.6, 0.7)}, {}, {}]
    assert [one.reason for one in cases] == [
        None,
        None,
        "build sets aim; [case.tune] would vary it",
        None,
        "[case.tune] names no parameter",
        "the method has no parameters",
    ]
    assert {(one.spec.part, one.spec.seed, one.spec.metrics) for one in cases} == {
        ("validation", 3, ("recall@20",))
    }


def test_a_suite_that_selects_on_test_is_not_tuned(make_suite):
    """There is no validation part: it is the test part, which a tuning leaves closed."""
    suite = read_suite(make_suite('method = "popularity"'))
    split = {**suite.split, "select_on": "test"}
    suite = dataclasses.replace(suite, name="known_answers_here", split=split)
    with pytest.raises(SuiteError, match="has no validation part to tune on"):
        plan_tuning(suite, Choice(), "recall@20")


@pytest.mark.parametrize(
    ("space", "fault"),
    [
        ("{ aimm = [0.1] }", "unknown parameter 'aimm'; did you mean 'aim'?"),
        ("{ aim = 0.5 }", "aim = 0.5 is no space; expected a list of choices, or {"),
        ("{ aim = [] }", "aim = [] names no value"),
        ("{ aim = [0.5, 0.5] }", "aim = [0.5, 0.5] names 0.5 twice"),
        ('{ aim = ["far"] }', "aim = 'far' has the wrong type; expected float"),
        ('{ kind = ["plane"] }', "kind = 'plane' is not a choice; did you mean 'plain'?"),
        ("{ kind = { low = 1, high = 2 } }", "kind = 1 has the wrong type"),
        ("{ aim = { low = 0.1, hihg = 0.5 } }", "aim: unknown key 'hihg'; did you mean 'high'?"),
        ("{ aim = { low = 0.1 } }", "aim: the key 'high' is missing"),
        ("{ aim = { low = 0.5, high = 0.5 } }", "aim: low = 0.5 must be below high = 0.5"),
        ("{ aim = { low = 0, high = 1, log = true } }", "aim: low = 0 must be above 0 where log"),
        ("{ aim = { low = 0.1, high = 1, log = 1 } }", "aim: log = 1 has the wrong type"),
        ("{ pairs = { low = 2, high = 4.5 } }", "pairs = 4.5 has the wrong type; expected int"),
    ],
)
def test_a_bad_space_is_told_with_what_was_meant(make_suite, capsys, space, fault):
    """`plan` finds it as `tune` does, and both say the case, the parameter and what is near."""
    path = make_suite(f'method = "aimed"\ntune = {space}')
    for words in (["plan", str(path)], ["tune", str(path), "--trials", "2"]):
        assert main(words) == 2
        assert f"{path}: case 1 (aimed): tune: {fault}" in capsys.readouterr().err


def test_a_value_that_no_combination_allows_is_refused(make_suite):
    """`pairs` is never 3; the end of a range is asked as well."""
    with pytest.raises(SuiteError, match="case 'aimed': tune: pairs = 3: pairs = 3 must be even"):
        planned(make_suite('method = "aimed"\ntune = { pairs = [2, 3] }'))
    with pytest.raises(SuiteError, match=r"density = 1\.5: density = 1\.5 must be at most 1"):
        planned(make_suite('method = "sparcode"\ntune = { density = { low = 0.1, high = 1.5 } }'))


def test_a_value_that_some_combination_allows_is_not(make_suite):
    """One code a token is refused with the default gradient, and taken with another."""
    table = 'n_nearest = [1, 4], gradient = ["weights", "rotation"], codebooks = ["averages"]'
    (case,) = planned(make_suite(f'method = "sparcode"\ntune = {{ {table} }}'))
    assert case.refusal({"n_nearest": 1})
    assert set(case.space) == {"n_nearest", "gradient", "codebooks"}


def test_a_value_under_which_a_search_setting_means_nothing_is_refused(make_suite):
    """Every trial answers with every search setting of the suite, or is none."""
    lines = 'method = "two_tower"\nbuild = {{ index = "ivf" }}\nsearch = {{ nprobe = [2, 4] }}\n{}'
    fault = "tune: index = 'hnsw': nprobe = 2 is not for index = 'hnsw', which takes ef_search"
    with pytest.raises(SuiteError, match=re.escape(f"case 'two_tower': {fault}")):
        planned(make_suite(lines.format('tune = { index = ["ivf_pq", "hnsw"] }')))
    (case,) = planned(make_suite(lines.format('tune = { index = ["ivf_pq_refine"] }')))
    trial = case.trial_with(case.build_with({"index": "ivf_pq_refine"}))
    assert [(one["nprobe"], one["k_factor"]) for one in trial.searches] == [(2, 4), (4, 4)]


def test_a_grid_is_no_starting_point(make_suite):
    """It is said what to do instead; nothing is chosen silently."""
    with pytest.raises(SuiteError, match=r"build stands for 2 trials.*move its list to"):
        planned(make_suite('method = "aimed"\nbuild = { aim = [0.1, 0.2] }'))


def test_the_metric_is_one_to_tune_by(make_suite):
    """The first of the suite that has a value per query from relevant items; others are refused."""
    path = make_suite('method = "aimed"')
    suite = read_suite(path)
    assert suite.metrics[0] == "ann_recall@20"
    assert default_metric(suite) == "recall@20"
    for metric in ("coverage@5", "ann_recall@5"):
        with pytest.raises(SuiteError, match=re.escape(f"--metric '{metric}' cannot be tuned by")):
            planned(path, metric)
    with pytest.raises(SuiteError, match=r"unknown metric 'ndgc'; did you mean 'ndcg'\?"):
        planned(path, "ndgc@5")


def test_the_device_must_be_the_methods(make_suite):
    """A method that cannot run there gets no trial, and the reason is kept."""
    suite = read_suite(make_suite('method = "aimed"'))
    (case,) = plan_tuning(suite, Choice(devices=("cuda",)), "recall@20")
    assert (dict(case.space), case.reason) == ({}, "runs on cpu, not on cuda")


def test_the_learned_methods_declare_a_space(make_suite):
    """So that a suite needs no table."""
    names = ["two_tower", "sparcode", "all_to_all", "item_knn", "cluster_popularity"]
    assert set(names) <= set(CATALOG)
    cases = planned(make_suite(*(f'method = "{name}"' for name in names)))
    assert all(one.space and one.reason is None for one in cases)
    assert [one.stops_early for one in cases] == [True, True, True, False, False]


def test_a_trial_on_validation_is_other_work(make_suite):
    """Its id is not that of the same build asked on test; what chose a build is no work."""
    (case,) = planned(make_suite('method = "aimed"'))
    on_test = dataclasses.replace(case.spec, part="test")
    assert case.spec.trial_id != on_test.trial_id
    chosen = dataclasses.replace(on_test, tuning={"trials": 5})
    assert chosen.trial_id == on_test.trial_id
    assert TrialSpec.from_json(chosen.to_json()) == chosen
