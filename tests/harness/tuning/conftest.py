"""A plug-in method whose quality is a known function of its parameter, tuned in this process."""

import functools
import io
import os
import sys

import pytest

from harness import registry
from harness.record import Status
from harness.run import validation_trial
from harness.run.ending import Ending
from harness.run.messages import Scored, Sender, parse_message
from harness.run.runner import RunContext
from harness.run.trial_spec import Place
from harness.run.tuning import Tuning

SOURCE = '''
"""Aimed: the nearer `aim` is to 0.7, the more it finds."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.retriever import Retriever
from harness.spaces import Range
from harness.topk import select_top_k


@dataclass(frozen=True, slots=True)
class AimedParams:
    """``raises_above``: fit fails above it. ``pairs``: only an even number is taken."""

    aim: float = 0.1
    raises_above: float = 1.0
    pairs: int = 2
    kind: Literal["plain", "other"] = "plain"
    layers: tuple[int, ...] = (8,)

    def __post_init__(self):
        if self.pairs % 2:
            raise ValueError(f"pairs = {self.pairs} must be even")


@dataclass(frozen=True)
class AimedSearch:
    shift: float = 0.0


class Aimed(Retriever):
    """Puts a share |aim + shift - 0.7| of what a user likes behind all that he does not."""

    BuildParams = AimedParams
    SearchParams = AimedSearch
    TuneSpace = {"aim": Range(0.0, 1.0)}

    def fit(self, train, validation=None):
        assert validation is None
        if self.build_params.aim > self.build_params.raises_above:
            raise RuntimeError("too high")
        self.n_items = train.n_items

    def search(self, queries, k):
        items = np.arange(self.n_items)
        liked = items % 2 == queries.user_ids[:, None] % 2
        aim = self.build_params.aim + self.search_params.shift
        missed = items < abs(aim - 0.7) * self.n_items
        scores = np.where(liked, np.where(missed, 0.0, 2.0), 1.0).astype(np.float32)
        return select_top_k(scores, k, queries.hidden)


class Plain(Aimed):
    """Declares no space."""

    TuneSpace = {}
'''
NAMES = {"aimed": "Aimed", "aimed_too": "Aimed", "plain": "Plain"}
SUITE = """
name = "tiny"
question = "Is what was planted found?"
dataset = "checkerboard"
split = { kind = "random_per_user", test = 0.3, validation = 0.3, cold_items = "keep" }
metrics = ["ann_recall@20", "recall@20"]
fit_threads = 1
seeds = [3, 4]
"""


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """Install the plug-in, for this process and for workers."""
    site = tmp_path / "site"
    info = site / "planted_method-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "planted_method.py").write_text(SOURCE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted-method\nVersion: 1.0\n")
    points = "".join(f"{name} = planted_method:{cls}\n" for name, cls in NAMES.items())
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{points}")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    registry.methods.cache_clear()
    yield
    registry.methods.cache_clear()
    sys.modules.pop("planted_method", None)


@pytest.fixture
def make_suite(planted, tmp_path):
    """Return a function that writes a suite of the given lines of cases."""

    def make(*cases, head=SUITE):
        path = tmp_path / "tiny.toml"
        path.write_text(head + "".join(f"\n[[case]]\n{case}\n" for case in cases))
        return path

    return make


class Unsettled:
    """A workplace that leaves this process's threads and CPUs as they are."""

    def __init__(self, device, limits):
        pass

    def settle(self, phase, n_threads):
        pass


def evaluate_here(spec, context, listener):
    """Run a trial's own code in this process, an error being a failure."""
    pipe = io.BytesIO()
    place = Place("attempt", context.folder, context.data_root)
    try:
        validation_trial.run_on_validation(spec, place, Sender(pipe))
    except Exception as error:  # as the worker does
        return Ending(Status.FAILED, f"{type(error).__name__}: {error}"), None
    messages = map(parse_message, pipe.getvalue().splitlines())
    return Ending(Status.OK), next(one for one in messages if isinstance(one, Scored))


@pytest.fixture
def here(monkeypatch):
    """Have `matchbench tune` run its trials in this process."""
    monkeypatch.setattr(validation_trial, "Workplace", Unsettled)
    here = functools.partial(Tuning, evaluate=evaluate_here)
    monkeypatch.setattr("harness.commands.tune.Tuning", here)


class Silent:
    """A listener and a log that keep what they hear."""

    def __init__(self):
        self.started, self.trials = [], []

    def trial_starts(self, number, total, spec):
        self.started.append((number, total, spec.case))

    def stage(self, stage):
        pass

    def trial_ends(self, spec, ending, seconds):
        pass

    def append(self, trial):
        self.trials.append(trial)


@pytest.fixture
def tune(tmp_path):
    """Return a function that tunes planned cases; trials run where ``evaluate`` says."""

    def tune(cases, budget, evaluate, earlier=(), sampler="tpe"):
        heard = Silent()
        context = RunContext(tmp_path, None, "split", "hash")
        tuning = Tuning(cases, budget, sampler, context, heard, heard, evaluate)
        tuning.take_up(earlier)
        return tuning.run(), heard

    return tune
