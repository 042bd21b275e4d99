"""A plug-in distribution with methods that misbehave, as a third party would install one."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from harness import registry

BAD_METHODS = Path(__file__).parent / "bad_methods"
collect_ignore = [BAD_METHODS.name]  # imported where it is installed, by the name it has there
NAMES = {
    "counting": "counting:Counting",
    "raises": "endings:Raises",
    "dies_by_signal": "endings:DiesBySignal",
    "hangs": "processes:Hangs",
    "leaves_an_orphan": "processes:LeavesAnOrphan",
    "hides_its_channel": "processes:HidesItsChannel",
    "keeps_the_interpreter": "processes:KeepsTheInterpreter",
    "exits": "endings:Exits",
    "exits_as_if_well": "endings:ExitsAsIfWell",
    "crashes": "endings:Crashes",
    "eats_memory": "resources:EatsMemory",
    "eats_memory_in_a_child": "resources:EatsMemoryInAChild",
    "shares_memory": "resources:SharesMemory",
    "runs_out": "resources:RunsOut",
    "floods_its_channel": "processes:FloodsItsChannel",
    "notes_its_oom_score": "resources:NotesItsOomScore",
    "notes_its_cpus": "resources:NotesItsCpus",
    "takes_more_threads": "resources:TakesMoreThreads",
    "has_a_busy_neighbour": "resources:HasABusyNeighbour",
    "writes_garbage": "processes:WritesGarbage",
    "returns_nan": "answers:ReturnsNaN",
    "returns_twice": "answers:ReturnsTwice",
    "other_when_alone": "answers:OtherWhenAlone",
    "remembers": "answers:Remembers",
    "raises_now_and_then": "answers:RaisesNowAndThen",
    "goes_on": "fits:GoesOn",
    "one_fit": "fits:OneFit",
    "not_a_retriever": "endings:NotARetriever",
    "not_there": "endings:Nothing",
}


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Install the plug-in for this process and for workers; return the log of its fits."""
    site = tmp_path / "site"
    info = site / "bad_methods-1.0.dist-info"
    info.mkdir(parents=True)
    shutil.copytree(BAD_METHODS, site / BAD_METHODS.name)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-methods\nVersion: 1.0\n")
    points = "".join(f"{name} = {BAD_METHODS.name}.{cls}\n" for name, cls in NAMES.items())
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{points}")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    log = tmp_path / "fits.log"
    log.write_text("")
    monkeypatch.setenv("COUNTING_LOG", str(log))
    registry.methods.cache_clear()
    yield log
    registry.methods.cache_clear()
    for name in [one for one in sys.modules if one.partition(".")[0] == BAD_METHODS.name]:
        sys.modules.pop(name)


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
