"""The catalogue: names, places of files, and what is asserted at load."""

from dataclasses import replace
from pathlib import Path

import pytest

from harness.data import catalog
from harness.data.catalog import DATASETS, data_root, dataset_id, is_present, load_log
from harness.data.entry import Counts, DatasetEntry, Source
from harness.data.lightgcn import read_lightgcn
from harness.data.log import content_hash
from harness.errors import DatasetError

TINY = DatasetEntry(
    "tiny",
    "two users",
    source=Source(
        folder="tiny",
        files=(("train.txt", "test.txt"),),
        read=read_lightgcn,
        origin="a friend",
        licence="none",
        citation="none",
        counts=Counts(2, 3, 4, 2, 2),
        content_sha256=None,
    ),
)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Return a root with a tiny data set, which the catalogue knows."""
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "train.txt").write_text("0 1\n1 2\n")
    (tmp_path / "tiny" / "test.txt").write_text("0 2\n1 0\n")
    monkeypatch.setattr(catalog, "DATASETS", {"tiny": TINY})
    return tmp_path


def expect(monkeypatch, **changes):
    source = replace(TINY.source, **changes)
    monkeypatch.setattr(catalog, "DATASETS", {"tiny": replace(TINY, source=source)})


def test_every_real_data_set_says_where_it_comes_from():
    """Origin, licence, citation, counts and where to fetch it are given for each."""
    real = [entry.source for entry in DATASETS.values() if entry.is_real]
    assert len(real) == 15
    for source in real:
        assert all((source.origin, source.licence, source.citation, source.counts.events))
        assert source.downloads
        assert all(len(one.sha256) == 64 for one in source.downloads)
    without = [
        name for name, one in DATASETS.items() if one.is_real and not one.source.content_sha256
    ]
    assert without == ["ml-1m-timed"]


def test_an_unknown_name_or_parameter_offers_near_ones():
    """A misspelt data set or parameter is answered with the right spelling."""
    with pytest.raises(DatasetError, match="unknown data set 'gowala'; did you mean 'gowalla'"):
        load_log("gowala", {})
    with pytest.raises(DatasetError, match="'planted_log': unknown parameter 'n_user'; did you"):
        load_log("planted_log", {"n_user": 5})
    with pytest.raises(DatasetError, match=r"'checkerboard': .* must be even"):
        load_log("checkerboard", {"n_users": 3})


def test_the_id_holds_every_parameter():
    """Defaults are written out; a real data set is its name."""
    expected = "checkerboard(n_users=100,n_items=60,events_per_user=20,seed=3)"
    assert dataset_id("checkerboard", {"seed": 3}) == expected
    assert dataset_id("gowalla", {}) == "gowalla"


def test_a_synthetic_log_needs_no_file(tmp_path):
    """It is present anywhere and drawn with the parameters given."""
    assert is_present("checkerboard", tmp_path)
    log = load_log("checkerboard", {"n_users": 4, "events_per_user": 1}, tmp_path)
    assert log.n_events == 4


def test_the_root_is_told_then_variable_then_cache(monkeypatch):
    """An explicit folder wins, then MATCHBENCH_DATA, then the user's cache."""
    monkeypatch.setenv("MATCHBENCH_DATA", "/from/variable")
    assert data_root(Path("/told")) == Path("/told")
    assert data_root() == Path("/from/variable")
    monkeypatch.delenv("MATCHBENCH_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert data_root() == Path("/cache/matchbench")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_root() == Path.home() / ".cache" / "matchbench"


def test_missing_files_are_named_with_their_place_and_the_remedy(tmp_path):
    """The message says which file was looked for where, and two ways to get it."""
    (tmp_path / "gowalla").mkdir()
    (tmp_path / "gowalla" / "train.txt").write_text("0 1\n")
    assert not is_present("gowalla", tmp_path)
    with pytest.raises(DatasetError) as caught:
        load_log("gowalla", {}, tmp_path)
    message = str(caught.value)
    assert f"looked for test.txt (plain or .gz) (or light_gcn_gowalla.zip) in {tmp_path}" in message
    assert "run `matchbench data add gowalla`, or get train.txt and test.txt from" in message


def test_what_fits_is_loaded(tiny, monkeypatch):
    """With the right counts and hash the log is returned."""
    log = load_log("tiny", {}, tiny)
    assert Counts.of(log) == TINY.source.counts
    expect(monkeypatch, content_sha256=content_hash(log))
    assert content_hash(load_log("tiny", {}, tiny)) == content_hash(log)


def test_wrong_counts_show_both(tiny, monkeypatch):
    """A cut file may still parse; the counts give it away."""
    (tiny / "tiny" / "test.txt").write_text("0 2\n1\n")
    with pytest.raises(DatasetError, match=r"(?s)found .*test=1.*expected .*test=2"):
        load_log("tiny", {}, tiny)


def test_wrong_content_shows_both_hashes(tiny, monkeypatch):
    """Right counts with another content are caught by the hash."""
    expect(monkeypatch, content_sha256="0" * 64)
    with pytest.raises(DatasetError, match=r"(?s)SHA-256.*found    [0-9a-f]{64}\n  expected 0{64}"):
        load_log("tiny", {}, tiny)
