"""The search: the planted best is found, budgets are equal, and it goes on where it stopped."""

import pytest

from harness.record import Status
from harness.run.ending import Ending
from harness.run.messages import Scored
from harness.run.plan import Choice
from harness.run.suite import read_suite
from harness.run.tuning_plan import plan_tuning


def by_formula(spec, context, listener):
    """Return 1 - |aim - 0.7|, the planted quality, without running anything."""
    aim = spec.build["aim"]
    if aim > spec.build["raises_above"]:
        return Ending(Status.FAILED, "too high"), None
    return Ending(Status.OK), Scored(1 - abs(aim - 0.7), {}, 10, 0.0, 0.0)


@pytest.fixture
def plan(make_suite):
    def plan(*cases, choice=None, **options):
        suite = read_suite(make_suite(*cases))
        return plan_tuning(suite, choice or Choice(), "recall@20", **options)

    return plan


def told(trials):
    return [(one.case, one.number, dict(one.values), one.value, one.status) for one in trials]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_planted_best_is_found(plan, tune, sampler):
    """Of 30 values in 0..1 one lies within 0.05 of 0.7: by lot all miss it once in 24 times."""
    (outcome,), _ = tune(plan('method = "aimed"'), 30, by_formula, sampler=sampler)
    assert abs(outcome.best.values["aim"] - 0.7) < 0.05
    assert outcome.best.value == max(one.value for one in outcome.trials)


def test_the_estimator_learns(plan, tune):
    """After its ten random settings TPE stays nearer to the planted best than lots do."""
    far = {}
    for sampler in ("tpe", "random"):
        (outcome,), _ = tune(plan('method = "aimed"'), 40, by_formula, sampler=sampler)
        far[sampler] = sum(1 - one.value for one in outcome.trials[11:]) / 29
    assert far["tpe"] < 0.5 * far["random"]


def test_the_default_is_trial_0(plan, tune):
    """What the suite sets is tried first, so the best is never below it."""
    case = 'method = "aimed"\nbuild = { aim = 0.7 }\ntune = { aim = { low = 0.0, high = 0.2 } }'
    (outcome,), _ = tune(plan(case), 5, by_formula)
    assert outcome.default.values == {"aim": 0.7}
    assert outcome.best is outcome.default
    assert all(one.values["aim"] <= 0.2 for one in outcome.trials[1:])


def test_cases_take_turns_with_equal_budgets(plan, tune):
    """Trial n of every case comes before trial n + 1 of any; failures count as trials."""
    cases = plan(
        'method = "aimed"', 'method = "aimed_too"\nbuild = { raises_above = 0.5 }', 'method="plain"'
    )
    outcomes, heard = tune(cases, 12, by_formula)
    assert [len(one.trials) for one in outcomes] == [12, 12, 0]
    order = [(one.number, one.case) for one in heard.trials]
    assert order == [(n, case) for n in range(12) for case in ("aimed", "aimed_too")]
    assert heard.started[3] == (4, 24, "aimed_too, trial 1")
    fragile, plain = outcomes[1:]
    assert fragile.n_failed == sum(one.values["aim"] > 0.5 for one in fragile.trials) > 0
    assert {one.reason for one in fragile.trials if one.value is None} == {"too high"}
    assert fragile.best.values["aim"] <= 0.5
    assert plain.best is None
    assert plain.reason == "the method declares no TuneSpace"


def test_all_may_fail(plan, tune):
    """Then there is no best, and every trial of the budget is there."""
    (outcome,), _ = tune(plan('method="aimed"\nbuild = { raises_above = -1.0 }'), 13, by_formula)
    assert (len(outcome.trials), outcome.n_failed, outcome.best) == (13, 13, None)


def test_the_same_seed_gives_the_same_trials(plan, tune):
    """Suggestions depend on the seed and on what came before, on nothing else."""
    first, again = (tune(plan('method = "aimed"'), 15, by_formula)[1].trials for _ in range(2))
    assert told(first) == told(again)
    other = plan('method = "aimed"', choice=Choice(seeds=(9,)))
    assert told(tune(other, 15, by_formula)[1].trials)[1:] != told(first)[1:]


@pytest.mark.parametrize("n_done", [1, 8, 13])
def test_a_stopped_tuning_goes_on_as_it_would_have(plan, tune, n_done):
    """With the first trials given, the rest is what it is without an interruption, failures too."""
    cases = plan('method = "aimed"\nbuild = { raises_above = 0.8 }', 'method = "aimed_too"')
    whole = tune(cases, 8, by_formula)[1].trials
    outcomes, heard = tune(cases, 8, by_formula, earlier=whole[:n_done])
    assert told(heard.trials) == told(whole[n_done:])
    assert told(one for outcome in outcomes for one in outcome.trials) == told(
        [*whole[::2], *whole[1::2]]
    )


def test_more_trials_extend_a_tuning(plan, tune):
    """Twelve trials are the first twelve of twenty; a smaller budget reads as many as it may."""
    cases = plan('method = "aimed"')
    twelve = tune(cases, 12, by_formula)[1].trials
    twenty = tune(cases, 20, by_formula)[1].trials
    (outcome,), heard = tune(cases, 20, by_formula, earlier=twelve)
    assert len(heard.trials) == 8
    assert told(outcome.trials) == told(twenty)
    (outcome,), heard = tune(cases, 5, by_formula, earlier=twelve)
    assert (told(outcome.trials), heard.trials) == (told(twelve[:5]), [])


def test_another_study_gives_nothing(plan, tune):
    """Trials under another space, sampler or limit are not taken for these."""
    trials = tune(plan('method = "aimed"'), 3, by_formula)[1].trials
    narrow = plan('method = "aimed"\ntune = { aim = { low = 0.0, high = 0.5 } }')
    assert len(tune(narrow, 3, by_formula, earlier=trials)[1].trials) == 3
    longer = plan('method = "aimed"', time_limit_s=7.0)
    assert longer[0].spec.time_limit_s == 7.0
    assert len(tune(longer, 3, by_formula, earlier=trials)[1].trials) == 3
    same = plan('method = "aimed"')
    assert len(tune(same, 3, by_formula, earlier=trials, sampler="random")[1].trials) == 3
    assert tune(same, 3, by_formula, earlier=trials)[1].trials == []


def test_no_setting_is_tried_twice_and_a_small_space_ends(plan, tune):
    """Two choices by two values that the method takes, of three: with the default 4 settings."""
    case = 'method = "aimed"\ntune = { kind = ["plain", "other"], pairs = { low = 2, high = 4 } }'
    (outcome,), _ = tune(plan(case), 30, by_formula)
    found = sorted((one.values["kind"], one.values["pairs"]) for one in outcome.trials)
    assert found == [("other", 2), ("other", 4), ("plain", 2), ("plain", 4)]
    assert outcome.reason == "after 4 settings none is left that the method takes"


def test_a_parameter_that_is_a_list_is_tuned_too(plan, tune):
    """Its values are lists in the records, and count as known when a tuning goes on."""
    case = 'method = "aimed"\ntune = { layers = [[8], [8, 8], [16]], aim = [0.2, 0.6] }'
    whole = tune(plan(case), 6, by_formula)[1].trials
    assert [8, 8] in [one.values["layers"] for one in whole]
    resumed = tune(plan(case), 6, by_formula, earlier=whole[:3])[1].trials
    assert told(resumed) == told(whole[3:])


def test_each_trial_settles_its_search_settings(plan, tune):
    """Of a tuned index: the defaults of building and searching are those of the trial's index."""
    seen = {}

    def noting(spec, context, listener):
        seen[spec.build["index"]] = (spec.build, spec.searches)
        return Ending(Status.OK), Scored(0.5, {}, 10, 0.0, 0.0)

    table = 'tune = { index = ["hnsw", "ivf", "ivf_pq_refine", "flat"] }'
    cases = plan(f'method = "two_tower"\nbuild = {{ index = "hnsw" }}\n{table}')
    assert cases[0].trial_with(cases[0].spec.build) == cases[0].spec
    (outcome,), _ = tune(cases, 5, noting)
    assert len(outcome.trials) == len(seen) == 4  # and a fifth setting is not left
    told = {
        index: {name: value for name, value in search.items() if value is not None}
        for index, (_, (search,)) in seen.items()
    }
    assert told == {
        "hnsw": {"ef_search": 128},
        "ivf": {"nprobe": 16},
        "ivf_pq_refine": {"nprobe": 16, "k_factor": 4},
        "flat": {},
    }
    assert (seen["hnsw"][0]["m"], seen["ivf"][0]["m"], seen["ivf"][0]["nlist"]) == (16, None, 0)
