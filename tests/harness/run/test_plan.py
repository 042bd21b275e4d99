"""Planning: grids become trials and operating points; equal work has equal ids."""

import dataclasses
import shlex
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from harness.arguments import make_parser
from harness.errors import SuiteError
from harness.run.plan import Choice, plan_trials
from harness.run.suite import read_suite
from harness.run.trial_spec import TrialSpec

SUITE = """
name = "grid"
question = "What does a grid become?"
dataset = "checkerboard"
split = { kind = "random_per_user" }
metrics = ["recall@5", "ndcg@20"]
seeds = [1, 2]
load = [{ kind = "single_stream" }, { kind = "offline" }]
[[case]]
method = "item_knn"
build = { n_neighbours = [10, 20], shrinkage = 5 }
[[case]]
method = "sparcode"
search = { scoring = ["served", "quantised"] }
"""


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text(SUITE)
    return read_suite(path)


def test_a_list_is_a_set_of_values(suite):
    """Two neighbourhoods x two seeds, then one model x two seeds; k is the largest cut-off."""
    trials = plan_trials(suite)
    assert [(one.case, one.build.get("n_neighbours"), one.seed) for one in trials] == [
        ("item_knn", 10, 1),
        ("item_knn", 10, 2),
        ("item_knn", 20, 1),
        ("item_knn", 20, 2),
        ("sparcode", None, 1),
        ("sparcode", None, 2),
    ]
    assert {one.k for one in trials} == {20}
    assert [one.n_points for one in trials] == [2, 2, 2, 2, 4, 4]  # searches x loads


def test_a_case_may_have_seeds_and_a_suite_several_numbers_of_threads(tmp_path):
    """Own seeds stand in place of the suite's, those of the command in place of both."""
    text = SUITE.replace('method = "sparcode"', 'method = "sparcode"\nseeds = [3]')
    path = tmp_path / "grid.toml"
    path.write_text(text.replace("seeds = [1, 2]", "seeds = [1, 2]\nthreads = [1, 2]", 1))
    trials = plan_trials(read_suite(path), Choice(methods="sparcode"))
    assert [(one.threads, one.seed) for one in trials] == [(1, 3), (2, 3)]
    found = plan_trials(read_suite(path), Choice(seeds=(9,)))
    assert [(one.threads, one.seed) for one in found] == [(1, 9), (2, 9)] * 3


def test_only_suites_of_known_answers_select_on_test(suite):
    """Elsewhere it is a fault; there trials have other ids, and without it the ids from before."""
    split = {"kind": "random_per_user", "select_on": "test"}
    with pytest.raises(SuiteError, match="suites whose name starts with 'known_answers'"):
        plan_trials(dataclasses.replace(suite, split=split))
    usual = plan_trials(suite)
    other = plan_trials(dataclasses.replace(suite, split=split, name="known_answers_grid"))
    assert not {one.trial_id for one in usual} & {one.trial_id for one in other}
    assert all("select_on" not in one.split for one in usual)
    assert all(one.split["select_on"] == "test" for one in other)


def test_several_grids_of_one_search_are_visited_in_turn(tmp_path):
    """Points that one product could not hold, in order, and one that two grids share only once."""
    several = """search = [
        { scoring = ["quantised", "served"] },
        { rescore = ["none", "dot"] },
    ]"""
    path = tmp_path / "grid.toml"
    path.write_text(SUITE.replace('search = { scoring = ["served", "quantised"] }', several))
    last = plan_trials(read_suite(path))[-1]
    points = [(one["scoring"], one["rescore"]) for one in last.searches]
    assert points == [("quantised", "none"), ("served", "none"), ("served", "dot")]


def test_defaults_are_filled_in(suite):
    """A trial says everything: a default that changes later does not change old records."""
    trial = plan_trials(suite)[0]
    assert trial.build["similarity"] == "cosine"
    assert trial.split["kind"] == "random_per_user"
    assert trial.split["test"] == 0.2
    assert trial.dataset_params["n_users"] == 100


def test_choices_of_the_command_line(suite):
    """Devices and seeds replace the suite's; a glob picks cases."""
    choice = Choice(devices=("cuda",), seeds=(9,), methods="sp*")
    (trial,) = plan_trials(suite, choice)
    assert (trial.case, trial.device, trial.seed) == ("sparcode", "cuda", 9)


def test_ids_depend_on_the_work_alone(suite):
    """Another name or limit is the same work; another seed, split or parameter is not."""
    first = plan_trials(suite)[0]
    assert dataclasses.replace(first, suite="x", case="y", time_limit_s=1.0).trial_id == (
        first.trial_id
    )
    others = [
        dataclasses.replace(first, seed=5),
        dataclasses.replace(first, threads=2),
        dataclasses.replace(first, build={**first.build, "shrinkage": 6.0}),
    ]
    assert len({first.trial_id, *(one.trial_id for one in others)}) == 4


def test_a_spec_survives_the_way_to_its_process(suite):
    """JSON there and back gives an equal spec with an equal id."""
    first = plan_trials(suite)[0]
    again = TrialSpec.from_json(first.to_json())
    assert (again, again.trial_id) == (first, first.trial_id)


def words_of(spec, folder=Path("out"), root=None):
    return shlex.split(spec.replay(folder, root))[1:]


def test_a_replay_names_what_was_typed(suite):
    """Suite, results and data as the user named them; a case's name is no pattern."""
    first = plan_trials(suite, Choice(suite="grid"))[0]
    first = dataclasses.replace(first, case="a [b]*")
    options = make_parser().parse_args(words_of(first, Path("my runs"), Path("data")))
    assert (options.command, options.suite, options.force) == ("run", "grid", True)
    assert (options.out, options.data_root) == (Path("my runs"), Path("data"))
    assert (options.device, options.seed, options.profile) == ("cpu", [1], "smoke")
    assert fnmatchcase("a [b]*", options.methods)
    assert not fnmatchcase("a b", options.methods)


def test_a_replay_of_a_series_or_a_pair_is_of_its_command(suite):
    """`scale` with size and limits, `noise` with pairs and the folder above the pairs' own."""
    first = plan_trials(suite)[0]
    sized = dataclasses.replace(first, scaled_to=1000, memory_limit_bytes=600_000_000)
    options = make_parser().parse_args(words_of(sized, Path()))
    assert (options.command, options.sizes, options.out) == ("scale", [1000], None)
    assert (options.limit_s, options.memory_limit_mb) == (first.time_limit_s, 600)
    paired = dataclasses.replace(first, pairs=3)
    options = make_parser().parse_args(words_of(paired, Path("out", "noise")))
    assert (options.command, options.pairs, options.out) == ("noise", 3, Path("out"))
    assert first.trial_id == sized.trial_id == paired.trial_id


def test_best_possible_needs_a_known_truth(tmp_path):
    """Real data have no known truth: asking for it is a fault, not a number."""
    path = tmp_path / "real.toml"
    text = SUITE.replace('"checkerboard"', '"gowalla"').replace('"item_knn"', '"best_possible"')
    path.write_text(text.replace("build = { n_neighbours = [10, 20], shrinkage = 5 }", ""))
    with pytest.raises(SuiteError, match="real data, whose best possible is not known"):
        plan_trials(read_suite(path))


TWO_INDEXES = """
[[case]]
method = "two_tower"
build = { index = ["ivf", "hnsw"] }
search = { nprobe = [1, 4] }
"""


def test_a_search_parameter_that_an_index_lacks_is_a_fault(tmp_path):
    """Said with the index that does not take it, and what it takes; the other one is not blamed."""
    path = tmp_path / "grid.toml"
    path.write_text(SUITE + TWO_INDEXES)
    with pytest.raises(SuiteError) as caught:
        plan_trials(read_suite(path))
    said = "search: nprobe = {0} is not for index = 'hnsw', which takes ef_search"
    assert all(said.format(nprobe) in str(caught.value) for nprobe in (1, 4))
    assert "index = 'ivf'" not in str(caught.value)


def test_defaults_of_an_index_are_filled_in(tmp_path):
    """Each point of a build grid is searched by its own index's defaults."""
    path = tmp_path / "grid.toml"
    path.write_text(SUITE + TWO_INDEXES.replace("search = { nprobe = [1, 4] }", ""))
    ivf, _, hnsw, _ = [one for one in plan_trials(read_suite(path)) if one.method == "two_tower"]
    assert (ivf.build["nlist"], ivf.build["m"]) == (0, None)
    assert (hnsw.build["nlist"], hnsw.build["m"]) == (None, 16)
    assert [one["nprobe"] for one in ivf.searches + hnsw.searches] == [16, None]
    assert [one["ef_search"] for one in ivf.searches + hnsw.searches] == [None, 128]
    assert TrialSpec.from_json(ivf.to_json()) == ivf
