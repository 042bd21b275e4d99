"""The table of a noise floor: what was spread how far, and what speaks against it."""

from dataclasses import replace
from pathlib import Path

from harness.compare.noise import noise_floor
from harness.record import Record
from harness.report.noise_table import render_noise

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-2.json"
BASE = Record.from_json(GOLDEN.read_text())
RATES = (100.0, 110.0, 110.0, 100.0)


def rounds(**changes):
    return [replace(BASE, repeat=number, qps=rate, **changes) for number, rate in enumerate(RATES)]


def test_sigma_its_interval_and_what_it_means_for_one_rate():
    """Ratios 1.1 and 1 / 1.1: sigma .0953; t of 2 degrees of freedom 4.303, so ± e^.29 - 1."""
    text = render_noise(noise_floor(rounds(), 2))
    row = next(line for line in text.splitlines() if line.startswith("popularity (cpu)"))
    assert "34 %" in row
    assert "10 % [5 %, 60 %]" in row
    assert row.split()[-1] == "2"
    assert "2 A/A pairs asked for" in text


def test_a_busy_machine_and_a_fault_are_notes():
    """A pair with a bad half is left out and said, and so are halves that were disturbed."""
    busy = rounds(isolation={"busy": True})
    bad = [*busy[:3], replace(busy[3], status="invalid", reason="3 NaN scores")]
    text = render_noise(noise_floor([*busy, *(replace(one, case="b") for one in bad)], 2))
    assert "[1] busy machine during 4 of 4 measurements" in text
    assert "[2] invalid: 3 NaN scores" in text
    assert "[3] busy machine during 2 of 2 measurements" in text
    whole, short = [line for line in text.splitlines() if "(cpu)" in line]
    assert whole.split()[-2:] == ["2", "[1]"]
    assert short.split()[-2:] == ["1", "[2,3]"]


def test_what_nothing_measured_is_no_column():
    """Without a p99 anywhere there is no column of it; a method's fit of nothing has a dash."""
    text = render_noise(noise_floor(rounds(latency_p99_s=None, fit_s=0.0), 2))
    assert "p50 sigma" in text
    assert "p99 sigma" not in text
    assert "fit sigma" not in text
