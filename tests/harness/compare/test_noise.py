"""The noise floor: planted noise is found at the stated rate, a drift shows, others' is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.compare.noise import (
    MAX_NOISE,
    aa_spread,
    half_width,
    noise_floor,
    noise_of,
    noise_warning,
    refusals,
)
from harness.errors import RecordError
from harness.noise_floor import NoiseFloor
from harness.record import Record

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-2.json"
BASE = Record.from_json(GOLDEN.read_text())
N_DRAWS = 4_000


def pairs_of(random, n_pairs, sigma_one):
    """Return pairs of measurements around 1,000 whose logarithms have the given deviation."""
    return np.exp(np.log(1000) + sigma_one * random.standard_normal((2, n_pairs)))


def test_a_hand_worked_spread():
    """Ratios 1.1 and 1 / 1.1: both logs are .0953 in size, so sigma is .0953 and the median 1."""
    found = aa_spread(np.array([100.0, 110.0]), np.array([110.0, 100.0]))
    assert found.sigma == pytest.approx(np.log(1.1))
    assert found.median_ratio == pytest.approx(1.0)
    assert (found.min_ratio, found.max_ratio) == (pytest.approx(1 / 1.1), pytest.approx(1.1))
    # chi-square with 2 degrees of freedom: quantiles -2 log(1 - p)
    assert found.low == pytest.approx(found.sigma * np.sqrt(2 / (-2 * np.log(0.025))))
    assert found.high == pytest.approx(found.sigma * np.sqrt(2 / (-2 * np.log(0.975))))


@pytest.mark.parametrize("n_pairs", [2, 5, 20])
def test_planted_noise_is_found_within_its_interval(n_pairs):
    """Over 4,000 draws the 95 % interval holds the planted sigma_AA in 94 to 96 % of them."""
    random = np.random.default_rng(3)
    planted = 0.02 * np.sqrt(2)  # of a pair: two measurements of 2 % each
    spreads = [aa_spread(*pairs_of(random, n_pairs, 0.02)) for _ in range(N_DRAWS)]
    covered = np.mean([one.low <= planted <= one.high for one in spreads])
    assert covered == pytest.approx(0.95, abs=0.01)
    assert np.mean([one.sigma**2 for one in spreads]) == pytest.approx(planted**2, rel=0.05)


@pytest.mark.parametrize("n_pairs", [2, 5, 20])
def test_the_interval_of_one_measurement_holds_its_rate(n_pairs):
    """A further single measurement lies within ± of the true value in 94 to 96 % of draws."""
    random = np.random.default_rng(4)
    inside = []
    for _ in range(N_DRAWS):
        width = half_width(aa_spread(*pairs_of(random, n_pairs, 0.02)))
        inside.append(abs(0.02 * random.standard_normal()) <= np.log1p(width))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.01)


def test_no_noise_is_no_spread():
    """Equal measurements: sigma, its bounds and the ± are 0."""
    found = aa_spread(np.full(5, 3.0), np.full(5, 3.0))
    assert (found.sigma, found.low, found.high, half_width(found)) == (0, 0, 0, 0)


def test_a_drift_shows_as_a_median_away_from_one():
    """Each second half is 10 % slower: the median ratio says .9, and sigma does not hide it."""
    random = np.random.default_rng(5)
    first, second = pairs_of(random, 9, 0.001)
    found = aa_spread(first, 0.9 * second)
    assert found.median_ratio == pytest.approx(0.9, rel=0.005)
    assert found.sigma == pytest.approx(-np.log(0.9), rel=0.05)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1.0], [1.0], "1 pairs; a spread needs at least 2"),
        ([1.0, 2.0], [1.0], r"shapes \(2,\) and \(1,\)"),
        ([1.0, 0.0], [1.0, 1.0], "above 0"),
        ([1.0, np.nan], [1.0, 1.0], "finite"),
    ],
)
def test_what_is_no_pair_is_refused(first, second, message):
    """Too few pairs, unequal halves, a zero or a NaN: an error, never a spread."""
    with pytest.raises(ValueError, match=message):
        aa_spread(np.array(first), np.array(second))


def rounds(*rates, **changes):
    return [replace(BASE, repeat=number, qps=rate, **changes) for number, rate in enumerate(rates)]


def test_rounds_become_disjoint_pairs():
    """Rounds 0 1 | 2 3: ratios 1.1 and 1 / 1.1, never 110 with 110 across the pairs."""
    (point,) = noise_floor(rounds(100.0, 110.0, 110.0, 100.0), 2).points
    assert point.n_pairs == 2
    assert point.spreads["qps"].sigma == pytest.approx(np.log(1.1))


def test_a_bad_half_takes_its_pair_along_and_is_said():
    """Five rounds are two pairs and a half; an invalid half leaves one, and no spread of one."""
    records = rounds(100.0, 110.0, 110.0, 100.0, 90.0)
    assert noise_floor(records, 3).points[0].n_pairs == 2
    records[3] = replace(records[3], status="invalid", reason="3 NaN scores")
    (point,) = noise_floor(records, 3).points
    assert (point.n_pairs, dict(point.spreads)) == (1, {})
    assert point.faults == ("invalid: 3 NaN scores",)


def test_a_build_that_does_nothing_has_no_spread():
    """58 and 39 microseconds are the clock's; a second is a build's."""
    short = rounds(1.0, 1.0, 1.0, 1.0, build_s=5.8e-05, fit_s=1.0)
    assert set(noise_floor(short, 2).points[0].spreads) == {
        "qps", "max_qps", "latency_p50_s", "latency_p99_s", "fit_s"
    }  # fmt: skip


def test_a_floor_survives_its_file():
    """JSON there and back gives an equal floor, bit for bit."""
    floor = noise_floor(rounds(100.0, 110.3, 112.0, 99.9), 2)
    again = NoiseFloor.from_json(floor.to_json())
    assert json.loads(again.to_json()) == json.loads(floor.to_json())
    assert again.points[0].spreads == floor.points[0].spreads


def test_a_floor_of_the_same_kind_is_used():
    """Another seed of the same case has its noise; another load or thread count has none."""
    floor = noise_floor(rounds(100.0, 110.0, 110.0, 100.0), 2)
    same = replace(BASE, seed=99)
    others = [replace(BASE, load={"kind": "offline", "batch": 8}), replace(BASE, threads=2)]
    known, *unknown = noise_of([same, *others], floor)
    assert known == pytest.approx(half_width(floor.points[0].spreads["qps"]))
    assert unknown == [None, None]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"machine": {**BASE.machine, "cpu": "another"}}, "other machine (cpu 'example', here"),
        ({"environment": {**BASE.environment, "numpy": "1.0"}}, "other environment (numpy 2.4.6"),
        ({"code_hash": "f" * 16}, "other code"),
    ],
)
def test_noise_of_another_machine_or_code_is_refused(change, reason):
    """What was measured elsewhere, with other libraries or other code, says nothing here."""
    floor = noise_floor(rounds(100.0, 110.0, 110.0, 100.0), 2)
    record = replace(BASE, **change)
    assert noise_of([record], floor) == [None]
    (said,) = refusals(record, floor)
    assert reason in said


def test_noise_holds_beside_a_library_that_was_not_there():
    """With hnswlib installed since: what was measured without it used none."""
    floor = noise_floor(rounds(100.0, 110.0, 110.0, 100.0), 2)
    assert refusals(replace(BASE, environment={**BASE.environment, "hnswlib": "1"}), floor) == []


def test_facts_that_change_by_the_hour_do_not_count():
    """Load and free memory stand beside the machine; they are not what it is known by."""
    floor = noise_floor(rounds(100.0, 110.0, 110.0, 100.0), 2)
    assert refusals(replace(BASE, machine={**BASE.machine, "load_1min": 3.5}), floor) == []


def test_a_spread_that_is_too_wide_marks_the_row():
    """Above ±10 % a warning says by how much; up to it none."""
    assert noise_warning(None) is None
    assert noise_warning(MAX_NOISE) is None
    assert "±23%" in noise_warning(0.23)


def test_halves_of_a_busy_machine_are_counted():
    """Three of four halves were disturbed, and the floor says so."""
    records = [
        replace(one, isolation={"busy": one.repeat != 1})
        for one in rounds(100.0, 110.0, 110.0, 100.0)
    ]
    assert noise_floor(records, 2).points[0].n_busy == 3
    assert noise_floor(rounds(100.0, 110.0, 110.0, 100.0), 2).points[0].n_busy == 0


@pytest.mark.parametrize(
    ("path", "value"),
    [(("points", 0, "spreads", "qps", "sigma"), "x"), (("machine",), []), (("points",), 3)],
)
def test_a_damaged_floor_is_refused(path, value):
    """A text for a number, a list for an object: an error of ours, no traceback later."""
    rounds = [replace(BASE, repeat=n, qps=100.0 + n % 2) for n in range(4)]
    values = json.loads(noise_floor(rounds, 2).to_json())
    place = values
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(RecordError, match="is no noise floor"):
        NoiseFloor.from_json(json.dumps(values))


def test_the_rate_of_arrivals_is_no_measurement():
    """A server at a given rate answers as many as come: its QPS carries no ±."""
    load = {"kind": "server", "rate": 50.0}
    rounds = [replace(BASE, load=load, repeat=n, qps=50.0 + n % 2) for n in range(4)]
    assert noise_of([rounds[0]], noise_floor(rounds, 2)) == [None]
