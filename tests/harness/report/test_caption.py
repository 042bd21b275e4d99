"""The caption: what must be known before numbers are compared, the noise floor included."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.compare.noise import noise_floor
from harness.measure.profile import PROFILES
from harness.record import Record
from harness.report import caption
from harness.report.caption import caption_of, noise_line

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-2.json"
BASE = Record.from_json(GOLDEN.read_text())
FAILED = replace(BASE, search={}, load={}, status="failed", reason="killed", qps=None, n_timed=None)


def floor_of(record, n_pairs=2):
    rounds = [
        replace(record, repeat=number, qps=100.0 + number % 2) for number in range(2 * n_pairs)
    ]
    return noise_floor(rounds, n_pairs)


def test_the_caption_says_what_must_be_known():
    """Protocol, load, threads, machine, versions and commit stand above every table."""
    said = caption_of([BASE, FAILED])
    for part in ("random_per_user", "single_stream over 1,000", "1 searching", "example x 2 cores",
                 "numpy 2.4.6", "commit 0000000", "3000 test queries",
                 "of 2 records 0 are INVALID, 1 hold no measurement"):  # fmt: skip
        assert part in said, part


def test_who_learned_from_less_is_named():
    """Where all learned alike, from what; else those that learned from training alone."""
    less = replace(BASE, case="towers", learned_from="training")
    more = replace(BASE, case="ease", learned_from="training and validation")
    assert "learned from: training and validation\n" in caption_of([more, more])
    assert (
        "learned from: training alone: towers; the others: training and validation\n"
    ) in caption_of([more, less, less])
    assert "learned from" not in caption_of([replace(BASE, learned_from=None)])


def test_a_quick_profile_says_so():
    """A smoke run is a quick look, and the table does not let a reader forget it."""
    said = caption_of([replace(BASE, profile="smoke")])
    assert "profile smoke: a quick look, nothing beyond p95" in said


@pytest.mark.parametrize("name", list(PROFILES))
def test_the_words_of_a_profile_are_its_numbers(name):
    """The report may not import the profiles; what it says of them holds."""
    words, profile = caption.PROFILES[name], PROFILES[name]
    if profile.min_s:
        assert f"{profile.min_s:g} s and {profile.min_queries:,} queries" in words
    if profile.top_percentile < 99.9:
        assert f"nothing beyond p{profile.top_percentile:g}" in words
    assert ("fresh processes" in words) == (profile.repeats > 1)
    if profile.repeats > 1:
        assert f"{profile.repeats} fresh" in words


def test_every_version_that_records_name_is_told():
    """Two versions of numpy and of the metrics, lists of two lengths: not the first's alone."""
    other = replace(
        BASE, environment={**BASE.environment, "numpy": "3.0"}, metrics={"m@99": 0.5},
        metrics_version=9,
    )  # fmt: skip
    said = caption_of([replace(BASE, metrics={"m@5": 0.5}, metrics_version=8), other])
    for part in ("numpy 2.4.6 or 3.0", "metrics version 8 or 9: ", "lists of 5 or 99: "):
        assert part in said, part
    assert "lists of" not in caption_of([BASE, FAILED])


def test_a_server_states_where_its_latency_begins():
    """Queueing counts: the reader is told from when."""
    load = {"kind": "server", "rate": 50.0, "batch": 1}
    said = caption_of([replace(BASE, load=load)])
    assert "server(50/s) over 1,000 queries" in said
    assert "host memory to host memory; server: latency from the scheduled arrival" in said


def test_a_load_on_the_device_is_not_said_to_come_from_the_host():
    """Both kinds of rows: both boundaries; a load that was skipped names neither."""
    load = {"kind": "batch", "batch": 32, "resident": True}
    resident = replace(BASE, load=load)
    skipped = replace(resident, status="skipped", qps=None, n_timed=None)
    assert "host memory to host memory; device-resident: queries" in caption_of([BASE, resident])
    assert "host memory" not in caption_of([resident])
    assert "batch(32)" not in caption_of([BASE, skipped])


def test_without_a_floor_the_caption_names_the_command():
    """No ± is not silence: it says what would give one."""
    assert noise_line([BASE], None).startswith("no noise floor measured: run `matchbench noise`")
    assert noise_line([FAILED], None) == "noise: nothing was timed"


def test_the_caption_says_where_the_noise_comes_from():
    """Pairs, fresh processes, day."""
    said = noise_line([BASE], floor_of(BASE))
    assert "from 2 A/A pairs in fresh processes" in said
    assert "noise floor of 2026-01-01" in said
    assert "without" not in said


def test_a_floor_of_another_machine_is_not_used_and_said():
    """The reason stands in the caption."""
    other = floor_of(replace(BASE, machine={**BASE.machine, "cpu": "another"}))
    said = noise_line([BASE], other)
    assert "is not used: other machine (cpu 'another', here 'example')" in said


def test_rows_that_the_floor_does_not_hold_are_counted():
    """A case that was left out of the A/A pairs has no ±, and the caption counts it."""
    said = noise_line([BASE, replace(BASE, threads=2)], floor_of(BASE))
    assert "1 of 2 records without: not in it" in said
    assert "it holds none of these rows" in noise_line([replace(BASE, threads=2)], floor_of(BASE))
