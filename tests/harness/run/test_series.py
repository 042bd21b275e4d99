"""Series: each ends at the first limit it meets, and goes on from what is recorded."""

import dataclasses
from pathlib import Path

import pytest

from harness.errors import SuiteError
from harness.measure.machine import code_hash, describe_environment, describe_machine
from harness.record import Record, Status
from harness.run import series
from harness.run.ending import Ending
from harness.run.plan import Choice
from harness.run.runner import RunContext, failure_record
from harness.run.series import plan_sizes, run_series
from harness.run.suite import Case, Suite

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "record-schema-2.json"
BASE = Record.from_json(GOLDEN.read_text())
SIZES = (10, 20, 40)
SUITE = Suite(
    path="grow.toml",
    name="grow",
    question="?",
    dataset="planted_vectors",
    split={"kind": "leave_last_out", "cold_items": "keep"},
    metrics=("ann_recall@3",),
    cases=(Case("a", "flat"), Case("b", "hnsw")),
)


class World:
    """Trials that end as told: (case, size) -> Ending; what ran, what was drawn, what was shown."""

    def __init__(self, monkeypatch):
        self.endings, self.ran, self.drawn, self.shown, self.log = {}, [], [], [], []
        self.too_large = 10**9
        monkeypatch.setattr(series, "run_trials", self.run_trials)

    def context_of(self, size):
        self.drawn.append(size)
        if size >= self.too_large:
            raise MemoryError("Unable to allocate 24 GiB")
        return RunContext(Path(), None, "split", f"data of {size}")

    def run_trials(self, trials, context, log, listener):
        (spec,) = trials
        size = spec.dataset_params["n_items"]
        self.ran.append((spec.case, size))
        ending = self.endings.get((spec.case, size), Ending(Status.OK))
        listener.trial_starts(1, 1, spec)
        if ending.status is Status.OK:
            log.append(measured(spec, context))
        else:
            log.append(failure_record(spec, f"{len(self.ran)}", context, ending))
        listener.trial_ends(spec, ending, 1.0)

    def append(self, record):
        self.log.append(record)

    def trial_starts(self, number, total, spec):
        self.shown.append((number, total, spec.case))

    def stage(self, stage):
        raise AssertionError("no stage was sent")

    def trial_ends(self, spec, ending, seconds):
        self.shown.append((spec.case, ending.status))

    def run(self, suite=SUITE, sizes=SIZES, records=None, **options):
        """Run the series over what the log holds; return (case, size, status, reason) of each."""
        self.ran, self.drawn, self.shown = [], [], []
        plans = plan_sizes(suite, Choice(), sizes)
        known = list(self.log) if records is None else records
        standing = run_series(plans, self.context_of, known, self, self, **options)
        of = {one.trial_id: size for size, trials in plans.items() for one in trials}
        return [(one.case, of[one.trial_id], one.status, one.reason) for one in standing]


def measured(spec, context):
    return dataclasses.replace(
        BASE,
        trial_id=spec.trial_id,
        case=spec.case,
        method=spec.method,
        n_points=1,
        data_hash=context.data_hash,
        code_hash=code_hash(),
        machine=describe_machine(),
        environment=describe_environment(),
    )


@pytest.fixture
def world(monkeypatch):
    return World(monkeypatch)


def test_all_sizes_run_small_ones_first(world):
    """Sizes in any order, one of them twice: each case at each size once, the small ones first."""
    found = world.run(sizes=(40, 10, 20, 10))
    assert world.ran == [(case, size) for size in SIZES for case in "ab"]
    assert [one[2] for one in found] == [Status.OK] * 6
    assert (1, 6, "a, n = 10") in world.shown
    assert (6, 6, "b, n = 40") in world.shown


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (Status.TIMEOUT, "ran past time_limit_s = 9 s during 'build'"),
        (Status.OUT_OF_MEMORY, "2 processes held 700 MB together, past memory_limit_mb = 600 MB"),
        (Status.FAILED, "ValueError: no"),
    ],
)
def test_a_series_ends_at_its_first_limit(world, status, reason):
    """Larger sizes are records `skipped` that say where and why; the other series goes on."""
    world.endings["a", 20] = Ending(status, reason)
    found = {one[:2]: one[2:] for one in world.run()}
    assert world.ran == [("a", 10), ("b", 10), ("a", 20), ("b", 20), ("b", 40)]
    assert found["a", 10] == (Status.OK, None)
    assert found["a", 20] == (status, reason)
    assert found["a", 40] == (Status.SKIPPED, f"not run: stopped at n = 20 by {status}: {reason}")
    assert found["b", 40] == (Status.OK, None)


@pytest.mark.parametrize("status", [Status.SKIPPED, Status.INVALID])
def test_what_is_no_limit_ends_nothing(world, status):
    """A missing device is said at every size; a doubtful number is a number."""
    world.endings["a", 10] = Ending(status, "no CUDA device")
    world.run()
    assert ("a", 40) in world.ran


def test_what_is_recorded_is_not_run_again(world):
    """The same command again runs nothing, adds no record and tells the same."""
    world.endings["a", 20] = Ending(Status.TIMEOUT, "ran past time_limit_s = 3600 s")
    first = world.run()
    n_records = len(world.log)
    assert world.run() == first
    assert world.ran == []
    assert len(world.log) == n_records


def test_an_interrupted_series_goes_on(world):
    """Of two records that a killed run left, both stand, and the rest runs."""
    world.run()
    found = world.run(records=world.log[:2])
    assert world.ran == [("a", 20), ("b", 20), ("a", 40), ("b", 40)]
    assert len(found) == 6


def test_a_larger_size_can_be_added(world):
    """Sizes that are there stand; the new one runs."""
    world.run(sizes=(10, 20))
    world.run(sizes=SIZES)
    assert world.ran == [("a", 40), ("b", 40)]


def test_a_higher_limit_takes_a_series_on(world):
    """The size that was too long runs again, and those that were skipped behind it."""
    world.endings["a", 20] = Ending(Status.TIMEOUT, "ran past time_limit_s = 3600 s")
    world.run()
    world.endings.clear()
    found = world.run(dataclasses.replace(SUITE, time_limit_s=7200.0))
    assert world.ran == [("a", 20), ("a", 40)]
    assert [one[2] for one in found] == [Status.OK] * 6


def test_force_runs_all_again(world):
    """What is recorded does not count."""
    world.run()
    world.run(force=True)
    assert len(world.ran) == 6


def test_data_that_do_not_fit_end_every_series(world):
    """The size is out of memory for all, larger ones are skipped and not drawn; again: the same."""
    world.too_large = 20
    found = world.run()
    assert world.ran == [("a", 10), ("b", 10)]
    assert world.drawn == [10, 20]
    reason = "the data of 20 items: Unable to allocate 24 GiB"
    assert found[2:4] == [(case, 20, Status.OUT_OF_MEMORY, reason) for case in "ab"]
    stop = f"not run: stopped at n = 20 by out_of_memory: {reason}"
    assert found[4:] == [(case, 40, Status.SKIPPED, stop) for case in "ab"]
    n_records = len(world.log)
    assert world.run() == found
    assert len(world.log) == n_records
    world.too_large = 10**9
    assert [one[2] for one in world.run()] == [Status.OK] * 6


def test_data_are_drawn_only_for_what_may_run(world):
    """Behind the end of every series nothing is drawn."""
    for case in "ab":
        world.endings[case, 10] = Ending(Status.FAILED, "no")
    world.run()
    assert world.drawn == [10]


def test_devices_and_seeds_are_series_of_their_own(world):
    """One seed's end is not another's."""
    suite = dataclasses.replace(SUITE, cases=SUITE.cases[:1], seeds=(1, 2))
    endings = iter([Ending(Status.FAILED, "no"), *[Ending(Status.OK)] * 9])
    world.endings = type("Once", (), {"get": lambda *_: next(endings)})()
    found = world.run(suite)
    assert [one[2] for one in found] == ["failed", "ok", "skipped", "ok", "skipped", "ok"]


def test_a_dataset_without_a_size_is_refused():
    """A suite over a dataset that has no n_items does not grow."""
    split = {"kind": "random_per_user", "test": 0.3, "validation": 0.2}
    suite = dataclasses.replace(SUITE, dataset="ml-100k", split=split)
    with pytest.raises(SuiteError, match="n_items"):
        plan_sizes(suite, Choice(), [10])
    with pytest.raises(SuiteError, match="n_items = 2 must be at least 3"):
        plan_sizes(SUITE, Choice(), [2])
