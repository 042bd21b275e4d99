"""A plug-in distribution with methods that misbehave, as a third party would install one."""

import os
import sys
from pathlib import Path

import pytest

from harness import registry

SOURCE = '''
"""Methods that end badly, each in its own way."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import torch

from harness.arrays import load_arrays, save_arrays
from harness.retriever import Capability, Footprint, NoParams, Retriever
from harness.topk import TopK


@dataclass(frozen=True, slots=True)
class Depth:
    depth: int = 1

    def __post_init__(self):
        if self.depth < 1:
            raise ValueError(f"depth = {self.depth} must be at least 1")


class Counting(Retriever):
    """Ranks items by id; well behaved. Notes each fit in the folder named by COUNTING_LOG."""

    SearchParams = Depth
    capabilities = frozenset({Capability.SCORE})

    def fit(self, train, validation=None):
        self.n_items = train.n_items
        with open(os.environ["COUNTING_LOG"], "a") as log:
            log.write("fit\\n")

    def search(self, queries, k):
        scores = self.score(queries, np.arange(self.n_items))
        from harness.topk import select_top_k
        return select_top_k(scores, k, queries.hidden)

    def score(self, queries, item_ids):
        return np.tile(-item_ids.astype(np.float32), (len(queries), 1))


class Raises(Counting):
    def fit(self, train, validation=None):
        raise RuntimeError("the fit went wrong")


class DiesBySignal(Counting):
    def fit(self, train, validation=None):
        os.kill(os.getpid(), signal.SIGKILL)


def note(*words):
    with open(os.environ["COUNTING_LOG"], "a") as log:
        print(*words, file=log)


def sleeping_child(**options):
    """Start a process that sleeps; return its id."""
    code = "import time; time.sleep(600)"
    return subprocess.Popen([sys.executable, "-c", code], **options).pid


def orphan():
    """Fork twice and leave the session, as a daemon does; return the id of the grandchild."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writing, str(os.getpid()).encode())
            time.sleep(600)
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(reading, 20))


class Hangs(Counting):
    """Its children hang too: one in its group, one in a session of its own, one an orphan."""

    def fit(self, train, validation=None):
        children = [sleeping_child(), sleeping_child(start_new_session=True), orphan()]
        note(os.getpid(), *children)
        time.sleep(600)


class LeavesAnOrphan(Counting):
    """Ends well; what it leaves behind also holds the channel open."""

    def fit(self, train, validation=None):
        note(orphan())
        self.n_items = train.n_items


class HidesItsChannel(Counting):
    def fit(self, train, validation=None):
        os.closerange(3, 64)
        time.sleep(600)


class KeepsTheInterpreter(Counting):
    """Sleeps in native code that never lets another Python thread run, this one's child too."""

    def fit(self, train, validation=None):
        note(os.getpid(), sleeping_child())
        ctypes.PyDLL(None).sleep(600)


class Exits(Counting):
    def fit(self, train, validation=None):
        os._exit(5)


class ExitsAsIfWell(Counting):
    def fit(self, train, validation=None):
        os._exit(0)


class Crashes(Counting):
    def fit(self, train, validation=None):
        ctypes.string_at(0)


EAT = """
import time
blocks = []
while len(blocks) < 200:
    blocks.append(bytearray(b"x") * 10_000_000)
    for block in blocks:
        block[:: 1 << 20] = block[:: 1 << 20]
    time.sleep(0.01)
time.sleep(600)
"""


class EatsMemory(Counting):
    """Takes 10 MB at a time, to 2 GB, and keeps touching it."""

    def fit(self, train, validation=None):
        exec(EAT)


class EatsMemoryInAChild(Counting):
    def fit(self, train, validation=None):
        child = subprocess.Popen([sys.executable, "-c", EAT], start_new_session=True)
        note(child.pid)
        child.wait()


class SharesMemory(Counting):
    """Holds 300 MB; three forked children see the same pages for two seconds."""

    def fit(self, train, validation=None):
        block = np.ones(300_000_000, np.uint8)
        for _ in range(3):
            if os.fork() == 0:
                time.sleep(2)
                os._exit(0)
        for _ in range(3):
            os.wait()
        self.n_items = train.n_items + 0 * int(block[0])


class RunsOut(Counting):
    def fit(self, train, validation=None):
        note("fit")
        np.ones(1 << 50)


class FloodsItsChannel(Counting):
    """Writes a line without end."""

    def fit(self, train, validation=None):
        while True:
            for descriptor in range(3, 64):
                try:
                    os.write(descriptor, b"x" * 1_000_000)
                except OSError:
                    pass


class NotesItsOomScore(Counting):
    def fit(self, train, validation=None):
        command = ["cat", "/proc/self/oom_score_adj"]
        note(subprocess.run(command, capture_output=True, text=True).stdout)
        super().fit(train, validation)


class NotesItsCpus(Counting):
    """Notes the CPUs that each of its threads may run on, once while it searches."""

    def search(self, queries, k):
        if len(queries) > 1:
            threads = [int(name) for name in os.listdir("/proc/self/task")]
            note(*sorted({tuple(sorted(os.sched_getaffinity(one))) for one in threads}))
        return super().search(queries, k)


class TakesMoreThreads(Counting):
    def search(self, queries, k):
        torch.set_num_threads(2)
        return super().search(queries, k)


class HasABusyNeighbour(Counting):
    """Works 5 ms a query while a child of its own never rests: they share one CPU."""

    def fit(self, train, validation=None):
        super().fit(train, validation)
        subprocess.Popen([sys.executable, "-c", "while True: pass"])

    def search(self, queries, k):
        end = time.perf_counter() + 0.005
        while time.perf_counter() < end:
            pass
        return super().search(queries, k)


class WritesGarbage(Counting):
    def fit(self, train, validation=None):
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, b"garbage\\n")
            except OSError:
                pass
        super().fit(train, validation)


class ReturnsNaN(Counting):
    def search(self, queries, k):
        ids = np.tile(np.arange(k), (len(queries), 1))
        return TopK(ids, np.full(ids.shape, np.nan, np.float32))


class ReturnsTwice(Counting):
    def search(self, queries, k):
        shape = (len(queries), k)
        return TopK(np.zeros(shape, np.int64), np.zeros(shape, np.float32))


class OtherWhenAlone(Counting):
    """Returns other items when asked one query at a time, as a cache or a shortcut might."""

    def search(self, queries, k):
        found = super().search(queries, k)
        if len(queries) > 1:
            return found
        return TopK(found.ids[:, ::-1].copy(), found.scores)


class Remembers(Counting):
    """Works 0.3 ms for a query alone, unless it was asked the same before."""

    def fit(self, train, validation=None):
        super().fit(train, validation)
        self.known = {}

    def search(self, queries, k):
        if len(queries) > 1:
            return super().search(queries, k)
        user = int(queries.user_ids[0])
        if user not in self.known:
            end = time.perf_counter() + 0.0003
            while time.perf_counter() < end:
                pass
            self.known[user] = super().search(queries, k)
        return self.known[user]


class RaisesNowAndThen(Counting):
    """Has no answer to one query in fifty that come alone."""

    n_asked = 0

    def search(self, queries, k):
        self.n_asked += len(queries) == 1
        if len(queries) == 1 and self.n_asked % 50 == 0:
            raise ValueError("no answer")
        return super().search(queries, k)


class GoesOn(Counting):
    """Leaves a checkpoint in its very first fit and hangs; says whether it took one over."""

    def fit(self, train, validation=None):
        left = self.checkpoint_folder / "state"
        self.taken_over_s = {"fit": 100.0} if left.exists() else {}
        super().fit(train, validation)
        with open(os.environ["COUNTING_LOG"]) as log:
            is_first = "left" not in log.read()
        if is_first:
            left.parent.mkdir(parents=True)
            left.write_text("half of the work")
            note("left")
            time.sleep(600)

    def footprint(self):
        epochs = [{"epoch": 1, "loss": float("nan")}, {"epoch": 2, "loss": 0.5}]
        return Footprint(0, {}, {"fit": epochs}, self.taken_over_s)


@dataclass(frozen=True, slots=True)
class DepthAndIndex:
    depth: int = 1
    index: int = 1


class OneFit(Counting):
    """Learns a number that no other fit draws, slowly; its index is chosen after the fit."""

    BuildParams = DepthAndIndex
    SearchParams = NoParams
    capabilities = frozenset({Capability.SCORE, Capability.SAVE_FIT})
    index_params = frozenset({"index"})

    def fit(self, train, validation=None):
        super().fit(train, validation)
        time.sleep(0.1)
        self.learned = int.from_bytes(os.urandom(4), "little")

    def save_fit(self, folder):
        save_arrays(folder, "one_fit", {"learned": np.array([self.learned])})

    def load_fit(self, folder, train):
        self.learned = int(load_arrays(folder, "one_fit")[0]["learned"][0])
        self.n_items = train.n_items

    def footprint(self):
        return Footprint(0, {"learned": self.learned, "index": self.build_params.index})


class NotARetriever:
    pass
'''
NAMES = {
    "counting": "Counting",
    "raises": "Raises",
    "dies_by_signal": "DiesBySignal",
    "hangs": "Hangs",
    "leaves_an_orphan": "LeavesAnOrphan",
    "hides_its_channel": "HidesItsChannel",
    "keeps_the_interpreter": "KeepsTheInterpreter",
    "exits": "Exits",
    "exits_as_if_well": "ExitsAsIfWell",
    "crashes": "Crashes",
    "eats_memory": "EatsMemory",
    "eats_memory_in_a_child": "EatsMemoryInAChild",
    "shares_memory": "SharesMemory",
    "runs_out": "RunsOut",
    "floods_its_channel": "FloodsItsChannel",
    "notes_its_oom_score": "NotesItsOomScore",
    "notes_its_cpus": "NotesItsCpus",
    "takes_more_threads": "TakesMoreThreads",
    "has_a_busy_neighbour": "HasABusyNeighbour",
    "writes_garbage": "WritesGarbage",
    "returns_nan": "ReturnsNaN",
    "returns_twice": "ReturnsTwice",
    "other_when_alone": "OtherWhenAlone",
    "remembers": "Remembers",
    "raises_now_and_then": "RaisesNowAndThen",
    "goes_on": "GoesOn",
    "one_fit": "OneFit",
    "not_a_retriever": "NotARetriever",
    "not_there": "Nothing",
}


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Install the plug-in for this process and for workers; return the log of its fits."""
    site = tmp_path / "site"
    info = site / "bad_methods-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "bad_methods.py").write_text(SOURCE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-methods\nVersion: 1.0\n")
    points = "".join(f"{name} = bad_methods:{cls}\n" for name, cls in NAMES.items())
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{points}")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    log = tmp_path / "fits.log"
    log.write_text("")
    monkeypatch.setenv("COUNTING_LOG", str(log))
    registry.methods.cache_clear()
    yield log
    registry.methods.cache_clear()
    sys.modules.pop("bad_methods", None)


SUITE = """
name = "tiny"
question = "What becomes of a trial?"
dataset = "checkerboard"
split = { kind = "random_per_user", test = 0.3, validation = 0.2 }
metrics = ["recall@3", "ndcg@3", "ann_recall@3"]
load = [{ kind = "single_stream", queries = 30 }]
fit_threads = 1
"""


@pytest.fixture
def make_suite(tmp_path):
    """Return a function that writes a suite with one case per method name."""

    def make(*methods, extra="", search=""):
        cases = "".join(f'[[case]]\nmethod = "{name}"\n{search}\n' for name in methods)
        path = tmp_path / "tiny.toml"
        path.write_text(SUITE + extra + "\n" + cases)
        return path

    return make


def runs(pid):
    """Return whether a process runs; a zombie does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        return status.rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def is_alive():
    """Return what says whether a process runs, by the kernel, not by the code under test."""
    return runs


@pytest.fixture
def marked():
    """Return what finds the running processes that carry the marker of an attempt."""

    def find(attempt):
        sign = f"MATCHBENCH_ATTEMPT={attempt}".encode()
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                is_ours = sign in (path / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            found += [path.name] if is_ours and runs(path.name) else []
        return found

    return find
