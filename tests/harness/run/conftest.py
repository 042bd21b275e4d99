"""A plug-in distribution with methods that misbehave, as a third party would install one."""

import os
import sys

import pytest

from harness import registry

SOURCE = '''
"""Methods that end badly, each in its own way."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np

from harness.retriever import Capability, Retriever
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


class Hangs(Counting):
    def fit(self, train, validation=None):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        with open(os.environ["COUNTING_LOG"], "a") as log:
            log.write(f"{os.getpid()} {child.pid}\\n")
        time.sleep(600)


class Exits(Counting):
    def fit(self, train, validation=None):
        os._exit(5)


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


class NotARetriever:
    pass
'''
NAMES = {
    "counting": "Counting",
    "raises": "Raises",
    "dies_by_signal": "DiesBySignal",
    "hangs": "Hangs",
    "exits": "Exits",
    "writes_garbage": "WritesGarbage",
    "returns_nan": "ReturnsNaN",
    "returns_twice": "ReturnsTwice",
    "other_when_alone": "OtherWhenAlone",
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
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
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
