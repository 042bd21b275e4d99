"""Every real data set that is here: counts and hash, whatever form its files have."""

import gzip
import zipfile

import numpy as np
import pytest

from harness.data.catalog import DATASETS, is_present, load_log
from harness.data.fetch import check
from harness.data.files import DataFolder
from harness.data.lightgcn import read_lightgcn
from harness.data.log import content_hash
from harness.data.splits import parse_split, split_log

pytestmark = pytest.mark.data
REAL = [name for name, entry in DATASETS.items() if entry.is_real]


def here(name, root):
    if not is_present(name, root):
        pytest.skip(f"{name} is not in MATCHBENCH_DATA")
    return name


@pytest.mark.parametrize("name", REAL)
def test_counts_and_hash_are_as_published(name, data_root):
    """Every fact found is the fact expected."""
    facts = check(here(name, data_root), data_root)
    assert all(fact.found == fact.expected for fact in facts)
    assert len(facts) >= 4


def test_gowalla_is_the_same_plain_gzipped_and_archived(data_root, tmp_path):
    """The owner's archive, plain and gzipped members give one hash."""
    here("gowalla", data_root)
    expected = DATASETS["gowalla"].source.content_sha256
    folder = DataFolder(data_root / "gowalla", ("light_gcn_gowalla.zip",))
    for form in ("plain", "gzipped", "zipped"):
        (tmp_path / form).mkdir()
    with zipfile.ZipFile(tmp_path / "zipped" / "light_gcn_gowalla.zip", "w") as archive:
        for name in ("train.txt", "test.txt"):
            content = folder.read(name).content
            (tmp_path / "plain" / name).write_bytes(content)
            (tmp_path / "gzipped" / f"{name}.gz").write_bytes(gzip.compress(content, 1))
            archive.writestr(name, content)
    for form in ("plain", "gzipped", "zipped"):
        log = read_lightgcn(DataFolder(tmp_path / form, ("light_gcn_gowalla.zip",)))
        assert content_hash(log) == expected


def test_gowalla_split_is_the_published_one(data_root):
    """810,128 training and 217,242 test events of 29,858 users, no cold item."""
    log = load_log(here("gowalla", data_root), {}, data_root)
    parts = split_log(log, parse_split({"kind": "given"}), "gowalla")
    assert parts.full_train.n_events == 810_128
    assert (len(parts.test), parts.test.relevant.ids.size) == (29_858, 217_242)
    assert parts.train.n_events + parts.validation.relevant.ids.size == 810_128 - 1  # one is cold


def test_sasrec_leave_one_out_is_the_published_one(data_root):
    """MovieLens 1M of SASRec: 987,531 train, 6,040 validation and 6,040 test events."""
    log = load_log(here("ml-1m-sas", data_root), {}, data_root)
    parts = split_log(log, parse_split({"kind": "leave_last_out"}), "ml-1m-sas")
    assert parts.train.n_events == 987_531
    assert len(parts.validation) == len(parts.test) == 6040


def test_sasrec_video_tests_users_with_three_items_only(data_root):
    """112 users have fewer than three items; the other 30,901 are tested."""
    log = load_log(here("sasrec_video", data_root), {}, data_root)
    split = parse_split({"kind": "leave_last_out", "cold_items": "keep"})
    assert len(split_log(log, split, "sasrec_video").test) == 30_901


def test_sasrec_items_are_the_rated_movies(data_root):
    """Genres joined by the mapping agree with those of the same movies in the plain release."""
    sas = load_log(here("ml-1m-sas", data_root), {}, data_root)
    plain = load_log(here("ml-1m", data_root), {}, data_root)
    often = np.bincount(plain.item_ids) >= 5
    found = np.bincount(sas.item_fields.columns["genres"].lists.ids, minlength=18)
    genres = plain.item_fields.take(np.flatnonzero(often)).columns["genres"]
    assert found.tolist() == np.bincount(genres.lists.ids, minlength=18).tolist()


def test_frappe_queries_are_events(data_root):
    """3,387 test queries, one per event; 71 events ask for an app that training never shows."""
    log = load_log(here("frappe_cfm", data_root), {}, data_root)
    kept = split_log(log, parse_split({"kind": "given", "cold_items": "keep"}), "frappe")
    dropped = split_log(log, parse_split({"kind": "given", "cold_items": "drop"}), "frappe")
    assert len(kept.test) == 3387
    assert len(dropped.test) == 3387 - dropped.dropped["test_events_of_cold_items"]
    assert kept.test.queries.hidden.ids.size == 0
    cold = np.setdiff1d(kept.test.relevant.ids, kept.full_train.item_ids)
    assert cold.size == 71
