"""Memory that a method is known to take is found, in the phase in which it took it."""

import os
import sys

import pytest

from harness import registry
from harness.cli import main
from harness.store.journal import read_records

MB = 1_000_000
TAKEN = 300 * MB

SOURCE = '''
"""Methods that rank by id and take known amounts of memory."""

import ctypes

import numpy as np

from harness.arrays import load_arrays, save_arrays
from harness.retriever import Capability, Footprint, Retriever
from harness.topk import select_top_k

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
MB = 1_000_000


def take_and_free(n_bytes):
    """Take memory in a native library, write to all of it, and free it again."""
    block = libc.malloc(n_bytes)
    libc.memset(block, 1, n_bytes)
    libc.free(block)


class Holds50MB(Retriever):
    """Holds, saves and loads 50 MB, by its own account 50 MB."""

    capabilities = frozenset({Capability.SAVE})
    account = 50 * MB

    def fit(self, train, validation=None):
        self.n_items = train.n_items

    def build(self):
        self.index = np.ones(50 * MB, np.uint8)

    def search(self, queries, k):
        scores = np.tile(-np.arange(self.n_items, dtype=np.float32), (len(queries), 1))
        return select_top_k(scores, k, queries.hidden)

    def footprint(self):
        return Footprint(self.account)

    def save(self, folder):
        save_arrays(folder, "holds", {"index": self.index}, {"n_items": self.n_items})

    def load(self, folder):
        arrays, facts = load_arrays(folder, "holds")
        self.index, self.n_items = arrays["index"], facts["n_items"]


class TakesWhileFitting(Holds50MB):
    def fit(self, train, validation=None):
        super().fit(train)
        take_and_free(300 * MB)


class TakesWhileBuilding(Holds50MB):
    def build(self):
        take_and_free(300 * MB)
        super().build()


class TakesWhileSearching(Holds50MB):
    def search(self, queries, k):
        if len(queries) > 200:  # a batch: a single query stays quick
            take_and_free(300 * MB)
        return super().search(queries, k)


class Leaks(Holds50MB):
    """Keeps 20 kB of every query."""

    def search(self, queries, k):
        self.__dict__.setdefault("kept", []).extend(
            np.ones(20_000, np.uint8) for _ in range(len(queries))
        )
        return super().search(queries, k)


class Understates(Holds50MB):
    account = 5 * MB


class DoesNotLoad(Holds50MB):
    def load(self, folder):
        raise RuntimeError("the index is of another world")
'''
NAMES = (
    "Holds50MB", "TakesWhileFitting", "TakesWhileBuilding", "TakesWhileSearching", "Leaks",
    "Understates", "DoesNotLoad",
)  # fmt: skip

SUITE = """
name = "memory"
question = "Is the memory found that a method takes?"
dataset = "checkerboard"
dataset_params = { n_users = 300 }
split = { kind = "random_per_user", test = 0.3, validation = 0.2 }
metrics = ["recall@3"]
load = [{ kind = "single_stream", queries = 30 }]
fit_threads = 1
"""


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Return the record of each method by its name, all of one run."""
    folder = tmp_path_factory.mktemp("memory")
    info = folder / "site" / "memory_methods-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "site" / "memory_methods.py").write_text(SOURCE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: memory-methods\nVersion: 1.0\n")
    points = "".join(f"{name.lower()} = memory_methods:{name}\n" for name in NAMES)
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{points}")
    suite = folder / "memory.toml"
    cases = "".join(f'[[case]]\nmethod = "{name.lower()}"\n' for name in NAMES)
    suite.write_text(SUITE + cases)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder / "site"))
        patch.setenv("PYTHONPATH", str(folder / "site"), prepend=os.pathsep)
        registry.methods.cache_clear()
        main(["run", str(suite), "--out", str(folder / "out")])
        found = {one.method: one for one in read_records(folder / "out")}
    registry.methods.cache_clear()
    sys.modules.pop("memory_methods", None)
    return {name: found[name.lower()] for name in NAMES}


def test_what_a_native_library_takes_in_a_phase_is_in_its_peak(records):
    """300 MB, taken and freed again while fitting or building: in that phase alone, within 5 %."""
    plain = records["Holds50MB"].offline_peak_bytes
    fitting = records["TakesWhileFitting"].offline_peak_bytes
    building = records["TakesWhileBuilding"].offline_peak_bytes
    assert fitting["fit"] - plain["fit"] == pytest.approx(TAKEN, rel=0.05)
    assert abs(fitting["build"] - plain["build"]) < 0.05 * TAKEN
    assert abs(building["fit"] - plain["fit"]) < 0.05 * TAKEN
    # 300 MB come and go before 50 MB are kept, which the plain one has at its peak
    assert building["build"] - plain["build"] == pytest.approx(TAKEN - 50 * MB, rel=0.05)
    assert records["TakesWhileBuilding"].memory["build_peak_bytes"] == building["build"]


def test_what_a_search_takes_is_in_the_peak_of_serving(records):
    """300 MB, taken and freed by a batch in the fresh process; nothing of it stays."""
    plain, taking = (records[one].memory for one in ("Holds50MB", "TakesWhileSearching"))
    apart = taking["search_peak_bytes"] - plain["search_peak_bytes"]
    assert apart == pytest.approx(TAKEN, rel=0.05)
    assert abs(taking["steady_bytes"] - plain["steady_bytes"]) < 0.05 * TAKEN


def test_the_four_numbers_of_an_index_of_50_mb(records):
    """On disk, by the method's account, in its arrays, and resident when only that is loaded."""
    record = records["Holds50MB"]
    memory = record.memory
    assert record.status == "ok"
    assert memory["disk_bytes"] == pytest.approx(50 * MB, rel=0.01)
    assert memory["logical_bytes"] == 50 * MB
    assert memory["held_bytes"] == pytest.approx(50 * MB, rel=0.01)
    assert memory["steady_bytes"] - memory["empty_bytes"] == pytest.approx(50 * MB, rel=0.05)
    assert not any("account" in one or "grew" in one for one in record.warnings)


def test_a_leak_is_warned_of(records):
    """20 kB of every query are never freed: the warning says so, within 5 %."""
    (warning,) = [one for one in records["Leaks"].warnings if "grew" in one]
    said = int(warning.split(" by ")[1].split()[0])
    assert said == pytest.approx(20_000, rel=0.05)


def test_an_account_below_what_is_held_is_warned_of(records):
    """5 MB by its own account, 50 MB in its arrays."""
    (warning,) = [one for one in records["Understates"].warnings if "account" in one]
    assert "account is 5000000 bytes, and it holds arrays and tensors of 500" in warning


def test_a_method_that_does_not_load_loses_its_numbers_not_the_trial(records):
    """The rest is measured; a warning names what went wrong."""
    record = records["DoesNotLoad"]
    assert (record.status, record.memory["steady_bytes"]) == ("ok", None)
    assert any("the index is of another world" in one for one in record.warnings)
