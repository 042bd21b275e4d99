"""Methods whose fit goes on where it was, or is handed from trial to trial."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from bad_methods.counting import Counting, note

from harness.arrays import load_arrays, save_arrays
from harness.errors import MethodError
from harness.retriever import Capability, Footprint, NoParams


class GoesOn(Counting):
    """Leaves a checkpoint in its very first fit and hangs; says whether it took one over."""

    def fit(self, train, validation=None):
        left = self.checkpoint_folder / "state"
        self.taken_over_s = {"fit": 100.0} if left.exists() else {}
        super().fit(train, validation)
        is_first = "left" not in Path(os.environ["COUNTING_LOG"]).read_text()
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

    def build(self):
        if self.build_params.index == 0:
            raise MethodError("no index has the number 0")

    def save_fit(self, folder):
        save_arrays(folder, "one_fit", {"learned": np.array([self.learned])})

    def load_fit(self, folder, train):
        self.learned = int(load_arrays(folder, "one_fit")[0]["learned"][0])
        self.n_items = train.n_items

    def footprint(self):
        return Footprint(0, {"learned": self.learned, "index": self.build_params.index})
