"""``matchbench noise``: the same work in rounds, resumed by whole pairs, shown by `table`."""

import dataclasses

import pytest

from harness.cli import main
from harness.commands.noise import repeated, with_partners
from harness.run.plan import plan_trials
from harness.run.suite import read_suite
from harness.store.journal import NAME, read_records
from harness.store.noise_file import read_floor

SUITE = """
name = "tiny"
question = "How much does the same work vary?"
dataset = "checkerboard"
split = { kind = "random_per_user", test = 0.3, validation = 0.2 }
metrics = ["recall@3"]
load = [{ kind = "single_stream", queries = 20 }]
seeds = [1, 2]
fit_threads = 1
[[case]]
method = "popularity"
[[case]]
method = "item_knn"
"""


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(SUITE)
    return path


def test_rounds_go_over_all_cases(path):
    """ABAB: the halves of a pair are one round apart, of one seed, and each its own trial."""
    trials = repeated(plan_trials(read_suite(path)), 2)
    assert [(one.case, one.repeat, one.seed) for one in trials] == [
        (case, number, 1) for number in range(4) for case in ("popularity", "item_knn")
    ]
    assert len({one.trial_id for one in trials}) == 8


def test_repeats_of_a_profile_are_not_pairs_of_pairs(path):
    """`publish` plans three repeats; the rounds replace them."""
    suite = dataclasses.replace(read_suite(path), profile="publish")
    assert len(repeated(plan_trials(suite), 2)) == 8


def test_a_lone_half_is_measured_again_with_its_partner(path):
    """A pair spans no interruption: of pair 1 both halves run again, pair 0 stands."""
    trials = repeated(plan_trials(read_suite(path)), 2)
    lone = [one for one in trials if (one.case, one.repeat) == ("popularity", 3)]
    again = with_partners(trials, lone)
    assert [(one.case, one.repeat) for one in again] == [("popularity", 2), ("popularity", 3)]


def test_pairs_are_measured_stored_and_shown(path, tmp_path, capsys):
    """Four attempts give two pairs; `run` shows ± beside the QPS and says where it is from."""
    out = tmp_path / "out"
    words = [str(path), "--out", str(out), "--methods", "popularity", "--seed", "1"]
    assert main(["noise", *words, "--pairs", "2"]) == 0
    records = read_records(out / "noise")
    assert [one.repeat for one in records] == [0, 1, 2, 3]
    assert {one.profile for one in records} == {"smoke"}
    (point,) = read_floor(out).points
    assert point.n_pairs == point.spreads["qps"].n_pairs == 2
    assert "sigma" in capsys.readouterr().out
    assert main(["noise", *words, "--pairs", "2"]) == 0
    assert "4 of 4 measurements are already recorded" in capsys.readouterr().err
    assert main(["run", *words]) == 0
    shown = capsys.readouterr().out
    assert " ±" in next(one for one in shown.splitlines() if one.startswith("popularity "))
    assert "from 2 A/A pairs in fresh processes" in shown
    assert (out / NAME).read_bytes() != (out / "noise" / NAME).read_bytes()
    for view in ("quality", "speed", "stages", "memory"):
        assert main(["table", str(out), "--view", view, "--noise", str(out)]) == 0
        assert "popularity" in capsys.readouterr().out


def test_one_pair_is_refused(path, capsys):
    """A spread of one pair is none; said before anything runs."""
    assert main(["noise", str(path), "--pairs", "1"]) == 2
    assert "--pairs 1: a spread needs at least 2 pairs" in capsys.readouterr().err


def test_a_floor_that_is_not_there_is_named(path, tmp_path, capsys):
    """--noise with a wrong path is a fault of the input, found before anything runs."""
    words = ["run", str(path), "--out", str(tmp_path / "out"), "--noise", str(tmp_path / "no")]
    assert main(words) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
