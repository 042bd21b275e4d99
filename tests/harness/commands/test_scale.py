"""``matchbench scale``: series, their tables and files; limits; what cannot be scaled."""

import csv

import pytest

from harness.arguments import make_parser
from harness.cli import main
from harness.store.journal import read_records

SUITE = """
name = "tiny"
question = "How does it grow?"
dataset = "planted_vectors"
dataset_params = { n_queries = 60, dim = 8 }
split = { kind = "leave_last_out", cold_items = "keep", hide_seen = false }
metrics = ["ann_recall@5"]
load = [{ kind = "single_stream", queries = 40 }]
fit_threads = 1
"""
FLAT = '[[case]]\nmethod = "flat"\n'
LISTS = '[[case]]\nmethod = "posting_lists"\nbuild = { n_codes = 80, postings = 20 }\n'
SIZES = ("100", "400", "1600")


@pytest.fixture
def make(tmp_path):
    """Return a function that writes a suite of these cases and gives its path."""

    def write(*cases, text=SUITE):
        path = tmp_path / "tiny.toml"
        path.write_text(text + "".join(cases))
        return str(path)

    return write


def scale(path, out, *words, sizes=SIZES):
    return main(["scale", path, "--out", str(out), "--sizes", *sizes, *words])


def test_a_series_is_run_shown_stored_and_not_repeated(make, tmp_path, capsys):
    """A row per size, an exponent with interval per quantity, the same as data for a plot."""
    path, out = make(FLAT), tmp_path / "out"
    assert scale(path, out) == 0
    shown = capsys.readouterr().out
    records = read_records(out)
    assert [one.status for one in records] == ["ok"] * 3
    assert [one.metrics["ann_recall@5"] for one in records] == [1.0] * 3
    rows = [line.split() for line in shown.splitlines() if line.startswith("flat ")]
    assert [row[1] for row in rows[:3]] == ["100", "400", "1,600"]
    assert "1.00 [1.00, 1.00]" in shown  # bytes: 32 an item
    assert {row[4] for row in rows[:3]} == {"32"}
    data = list(csv.DictReader((out / "scale.csv").read_text().splitlines()))
    assert [int(one["n_items"]) for one in data] == [100, 400, 1600]
    assert [float(one["qps"]) for one in data] == [one.qps for one in records]
    assert "--sizes 400" in records[1].replay
    assert scale(path, out) == 0
    assert capsys.readouterr().out == shown
    assert len(read_records(out)) == 3


def test_a_series_ends_at_a_limit_and_goes_on_under_another(make, tmp_path, capsys):
    """No process starts within 0.1 s: a timeout, a skip that names it, exit status 0."""
    path, out = make(FLAT), tmp_path / "out"
    assert scale(path, out, "--limit-s", "0.1", sizes=SIZES[:2]) == 0
    ended, skipped = read_records(out)
    assert (ended.status, skipped.status) == ("timeout", "skipped")
    assert ended.reason.startswith("ran past time_limit_s = 0.1 s during")
    assert skipped.reason == f"not run: stopped at n = 100 by timeout: {ended.reason}"
    assert "no exponents: no row is valid" in capsys.readouterr().out
    assert scale(path, out, sizes=SIZES[:2]) == 0
    assert [one.status for one in read_records(out)[2:]] == ["ok", "ok"]


def test_one_series_ends_and_the_other_goes_on(make, tmp_path):
    """More codes than items is a failure at 50 items: status 1, and flat has both sizes."""
    out = tmp_path / "out"
    assert scale(make(FLAT, LISTS), out, sizes=("50", "100")) == 1
    found = {(one.case, one.dataset.partition(",")[0]): one for one in read_records(out)}
    size = "planted_vectors(n_items="
    assert found["posting_lists", f"{size}50"].status == "failed"
    assert "n_codes = 80 exceeds the catalogue" in found["posting_lists", f"{size}50"].reason
    assert found["posting_lists", f"{size}100"].status == "skipped"
    assert found["flat", f"{size}100"].status == "ok"


def test_memory_ends_a_series_in_the_trial_or_before_it(make, tmp_path):
    """50 MB hold no Python with torch; and not the 320 MB of 10^7 items, which are not drawn."""
    out = tmp_path / "out"
    assert scale(make(FLAT), out, "--memory-limit-mb", "50", sizes=("100", "200")) == 0
    ended, skipped = read_records(out)
    assert (ended.status, skipped.status) == ("out_of_memory", "skipped")
    assert "past memory_limit_mb = 50 MB" in ended.reason
    out = tmp_path / "larger"
    assert scale(make(FLAT), out, "--memory-limit-mb", "50", sizes=("1e7", "2e7")) == 0
    ended, skipped = read_records(out)
    assert (ended.status, skipped.status) == ("out_of_memory", "skipped")
    assert ended.reason.startswith("the data of 10,000,000 items: Unable to allocate")


@pytest.mark.parametrize(
    ("text", "words", "message"),
    [
        (SUITE, ["--limit-s", "0"], "time_limit_s = 0.0 must be above 0 and finite"),
        (SUITE, ["--memory-limit-mb", "nan"], "memory_limit_mb = nan must be above 0 and finite"),
        (SUITE.replace("ann_recall@5", "recall@5"), [], "has no ann_recall@k, which `scale` shows"),
        (SUITE, ["--methods", "hnsw"], "no case matches 'hnsw'"),
        (SUITE.replace("@5", "@500"), [], "k = 500 exceeds the catalogue of 100 items"),
        (SUITE.replace("dim = 8", "dims = 8"), [], "dims"),
    ],
)
def test_faults_are_said_before_anything_runs(make, tmp_path, capsys, text, words, message):
    """A limit of nothing, no agreement to show, no such case: status 2 and the reason."""
    assert scale(make(FLAT, text=text), tmp_path / "out", *words) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "records.jsonl").exists() or not read_records(tmp_path / "out")


def test_sizes_are_read_as_numbers_of_items():
    """1e4 and 20000 are; the default is three decades of the shipped suite."""
    options = make_parser().parse_args(["scale", "--sizes", "1e4", "20000"])
    assert options.sizes == [10_000, 20_000]
    assert make_parser().parse_args(["scale"]).sizes == [10_000, 100_000, 1_000_000]
    assert make_parser().parse_args(["scale"]).suite == "scale"


@pytest.mark.parametrize("size", ["0", "1.5", "ten", "1e30", "-5"])
def test_what_is_no_number_of_items_is_refused(size, capsys):
    """Said with an example of one."""
    with pytest.raises(SystemExit):
        make_parser().parse_args(["scale", "--sizes", size])
    assert "no whole number of items, such as 1e6" in capsys.readouterr().err
