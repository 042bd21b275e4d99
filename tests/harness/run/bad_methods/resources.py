"""Methods that take memory, threads or CPUs, or note what they may take."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from bad_methods.counting import Counting, note

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


class NotesItsOomScore(Counting):
    def fit(self, train, validation=None):
        command = ["cat", "/proc/self/oom_score_adj"]
        note(subprocess.run(command, capture_output=True, text=True).stdout)
        super().fit(train, validation)


class NotesItsCpus(Counting):
    """Notes the CPUs that each of its threads may run on, once while it searches."""

    def search(self, queries, k):
        if len(queries) > 1:
            threads = [int(one.name) for one in Path("/proc/self/task").iterdir()]
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
