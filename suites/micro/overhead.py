"""Print what the harness adds to a call: a bare loop over a library against the timed load drivers.

Run as ``PYTHONPATH=suites python -m micro.overhead`` with the extra ``cpu`` or ``gpu`` installed.

Both sides run in one process and in turns, make the same calls with the same query rows in
the same order, keep every ids and scores array, and run with garbage collection off:

- **bare**: query rows cut beforehand into contiguous (batch, dim) arrays; the clock is read before
  the first and after the last call; in between ``kept = [search(rows, k) for rows in batches]``.
- **harness**: `harness.measure.load.run_load` drives a Retriever. Queries are cut beforehand too,
  in an order drawn from a seed, which the bare loop follows. In the clock, for each call: the
  driver's loop and its reading of the clock (``single_stream`` and ``batch``), the retriever's
  lookup of the query rows by user id, the same ``search(rows, k)``, and a `TopK`.

The ratio is bare / harness of the same turn: 1.00 is no overhead, 0.98 is 2 %. A turn holds the
bare loop twice, and which of the three begins goes round: bare / bare is what the machine makes of
no difference at all. The interval is the
exact 95 % interval of the median, from order statistics. A search that returns what was made
beforehand gives the fixed cost of a call. Warm-up and the joining of answers are outside the clock
on both sides. Ties are ordered by neither: what is compared is the same work.
"""

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
import torch
from scipy.stats import binom
from tabulate import tabulate

from harness.interactions import Queries
from harness.lists import Lists
from harness.measure.clock import clock_for
from harness.measure.load import run_load
from harness.measure.load_spec import LoadSpec
from harness.measure.machine import describe_environment, describe_machine
from harness.measure.profile import Profile
from harness.measure.threads import set_threads
from harness.measure.timing import Conditions
from harness.retriever import Retriever
from harness.topk import TopK

DIM, K, BATCH = 64, 10, 32
N_QUERIES = 2048
MOST_CALLS = 4_000  # of a turn: cutting queries, outside the clock, takes longer than a short call
LONG_CALL_S = 100e-6  # the target holds for calls of this length and longer
TARGET = 0.98
LOADS = (
    LoadSpec("single_stream", queries=0),
    LoadSpec("batch", queries=0, batch=BATCH),
    LoadSpec("offline", queries=0, batch=BATCH),
)
Search = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Case:
    """One library at one size: ``search(rows, k)`` gives scores and ids, both (n, k)."""

    library: str
    n_items: int
    search: Search


@dataclass(frozen=True)
class Outcome:
    """What the turns of one case gave: seconds of a call, bare and through the harness."""

    case: Case
    batch: int
    kind: str
    threads: int
    bare_s: list[float]
    harness_s: list[float]
    again_s: list[float]

    @property
    def ratios(self):
        return [bare / ours for bare, ours in zip(self.bare_s, self.harness_s, strict=True)]

    @property
    def same_ratios(self):
        return [bare / again for bare, again in zip(self.bare_s, self.again_s, strict=True)]

    @property
    def added_s(self):
        return [ours - bare for bare, ours in zip(self.bare_s, self.harness_s, strict=True)]

    @property
    def scenario(self):
        return self.kind if self.batch == 1 else f"{self.kind}({self.batch})"

    @property
    def call_s(self):
        return statistics.median(self.bare_s)


class Adapter(Retriever):
    """The same index object behind the contract: query rows by user id, ids and scores as TopK."""

    def __init__(self, search: Search, vectors: np.ndarray) -> None:
        super().__init__()
        self._search, self._vectors = search, vectors

    def fit(self, train: Any, validation: Any = None) -> None:
        """Do nothing: the index is there."""

    def search(self, queries: Queries, k: int) -> TopK:
        scores, ids = self._search(self._vectors[queries.user_ids], k)
        return TopK(ids, scores)


def main():
    """Measure every case in turns, print one row each, then what holds over all."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=31, help="turns a row; default 31")
    parser.add_argument("--turn-s", type=float, default=0.05, help="of one side; default 0.05 s")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="items"
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--only", default="", help="libraries whose name holds this")
    options = parser.parse_args()
    random = np.random.default_rng(7)
    vectors = random.standard_normal((N_QUERIES, DIM), dtype=np.float32)
    outcomes = []
    gc.freeze()  # what was imported is not walked before each turn
    for case in (*no_op_cases(), *library_cases(options.sizes, random)):
        if options.only not in case.library:
            continue
        check(case, vectors)
        for threads in options.threads if case.n_items else options.threads[:1]:
            set_threads(threads)
            faiss.omp_set_num_threads(threads)
            outcomes += [
                measure(case, vectors, load, threads, options.turns, options.turn_s)
                for load in LOADS
            ]
    print(report(outcomes, options))  # noqa: T201  a script that is run by hand


def no_op_cases():
    """Return a search that does nothing: answers are views of arrays made beforehand."""
    scores = np.zeros((BATCH, K), np.float32)
    ids = np.tile(np.arange(K, dtype=np.int64), (BATCH, 1))
    return [Case("no-op", 0, lambda rows, k: (scores[: len(rows)], ids[: len(rows)]))]


def library_cases(sizes, random):
    """Yield faiss flat, IVF and HNSW, and torch matmul + topk, for each number of items."""
    for n in sizes:
        items = random.standard_normal((n, DIM), dtype=np.float32)
        yield Case("faiss IndexFlatIP", n, filled(faiss.IndexFlatIP(DIM), items))
        n_lists = int(np.sqrt(n))
        ivf = faiss.IndexIVFFlat(faiss.IndexFlatIP(DIM), DIM, n_lists, faiss.METRIC_INNER_PRODUCT)
        ivf.cp.min_points_per_centroid = 1
        ivf.train(items)
        ivf.nprobe = max(8, n_lists // 8)
        yield Case("faiss IndexIVFFlat", n, filled(ivf, items))
        hnsw = faiss.IndexHNSWFlat(DIM, 16, faiss.METRIC_INNER_PRODUCT)
        hnsw.hnsw.efConstruction, hnsw.hnsw.efSearch = 40, 64
        yield Case("faiss IndexHNSWFlat", n, filled(hnsw, items))
        yield Case("torch matmul + topk", n, torch_search(torch.from_numpy(items)))


def filled(index, items):
    """Return the search of a faiss index that holds the items."""
    index.add(items)
    return index.search


def torch_search(items):
    """Return exact search by torch; numpy in, numpy out, as faiss has it."""

    def search(rows, k):
        best = torch.topk(torch.from_numpy(rows) @ items.T, k, dim=1)
        return best.values.numpy(), best.indices.numpy()

    return search


def check(case, vectors):
    """Refuse a case whose two sides differ, or whose answers are not what the contract says."""
    users = np.arange(BATCH)
    scores, ids = case.search(vectors[:BATCH], K)
    found = Adapter(case.search, vectors).search(queries_of(users), K)
    assert np.array_equal(found.ids, ids), case
    assert np.array_equal(found.scores, scores), case
    assert (ids >= 0).all(), f"{case}: a list is not full, so it would need padding"
    assert (np.diff(scores, axis=1) <= 0).all(), case
    assert (ids.dtype, scores.dtype) == (np.int64, np.float32), case


def measure(case, vectors, load, threads, turns, turn_s):
    """Return the seconds a call of both sides, and of the bare side again, turn by turn.

    The bare loop makes the calls of the driver's first pass, whose order its seed fixes.
    """
    batch = load.call_size
    n_calls = calls_for(case, vectors, batch, turn_s)
    users = np.arange(n_calls * batch) % N_QUERIES
    queries = queries_of(users)
    adapter, clock = Adapter(case.search, vectors), clock_for("cpu")
    no_minimum = Profile(0.0, len(users), 50, 1, warm_up_s=0.0, warm_up_most_s=0.02)
    conditions = Conditions(profile=no_minimum)

    def ours():
        timing = run_load(load, adapter.search, queries, K, clock, conditions)
        assert timing.n_errors == 0, timing.first_error
        assert np.array_equal(timing.rows[: len(order)], order[: timing.n_timed])
        return timing.total_s * batch / timing.n_timed

    order = run_load(load, adapter.search, queries, K, clock, conditions).rows
    rows = [np.ascontiguousarray(vectors[users[one]]) for one in order.reshape(-1, batch)]

    def bare():
        return bare_loop(case.search, rows) / len(rows)

    sides = (bare, ours, bare)
    seconds: tuple[list[float], ...] = ([], [], [])
    bare(), ours()
    for turn in range(turns):
        for step in range(len(sides)):
            place = (turn + step) % len(sides)
            seconds[place].append(sides[place]())
    return Outcome(case, batch, load.kind, threads, *seconds)


def calls_for(case, vectors, batch, turn_s):
    """Return how many calls last about ``turn_s``, 8 to 4,000."""
    rows = [np.ascontiguousarray(vectors[:batch])] * 8
    call_s = min(bare_loop(case.search, rows) for _ in range(3)) / len(rows)
    return int(np.clip(turn_s / call_s, 8, MOST_CALLS))


def bare_loop(search, batches):
    """Return the seconds of the loop anyone would write; ids and scores are kept."""
    gc.collect()
    gc.disable()
    begun = time.perf_counter()
    kept = [search(rows, K) for rows in batches]
    total_s = time.perf_counter() - begun
    gc.enable()
    assert len(kept) == len(batches)
    return total_s


def queries_of(users):
    """Return queries of users without history and without hidden items."""
    empty = Lists.empty(len(users))
    return Queries(users.astype(np.int64), empty, empty)


def median_interval(values):
    """Return the exact 95 % interval of the median: the order statistics that hold it."""
    below = int(binom.ppf(0.025, len(values), 0.5))
    ordered = sorted(values)
    return ordered[max(below - 1, 0)], ordered[min(len(values) - below, len(values) - 1)]


def report(outcomes, options):
    """Return one table, and the lines that sum it up."""
    rows = []
    for one in outcomes:
        low, high = median_interval(one.ratios)
        rows.append(
            [
                one.case.library,
                f"{one.case.n_items:,}" if one.case.n_items else "-",
                one.scenario,
                one.threads,
                f"{one.call_s * 1e6:,.1f}",
                f"{statistics.median(one.ratios):.3f}",
                f"{low:.3f} to {high:.3f}",
                f"{statistics.median(one.same_ratios):.3f}",
                f"{statistics.median(one.added_s) * 1e6:+.2f}",
            ]
        )
    headers = ["library", "items", "scenario", "threads", "call us", "bare / harness",
               "95 % interval", "bare / bare", "added us a call"]  # fmt: skip
    machine, versions = describe_machine(), describe_environment()
    lines = [
        f"{DIM} dimensions, k = {K}; {options.turns} turns of {options.turn_s:g} s a side",
        f"machine: {machine['cpu']} x {machine['cores']} cores; "
        + ", ".join(f"{name} {version}" for name, version in versions.items()),
        "",
        tabulate(rows, headers, disable_numparse=True, colalign=["left", "right", "left",
                 *["right"] * 6]),
        "",
        *summary(outcomes),
    ]  # fmt: skip
    return "\n".join(lines)


def summary(outcomes):
    """Return the fixed cost of a call, and the ratio over all calls that are long enough."""
    lines = []
    for one in outcomes:
        if one.case.n_items == 0:
            low, high = median_interval(one.added_s)
            lines.append(
                f"fixed cost of a call, {one.scenario}: "
                f"{statistics.median(one.added_s) * 1e6:.2f} us "
                f"[{low * 1e6:.2f}, {high * 1e6:.2f}] (no-op search)"
            )
    long_ones = [one for one in outcomes if one.case.n_items and one.call_s >= LONG_CALL_S]
    if long_ones:
        medians = [statistics.median(one.ratios) for one in long_ones]
        low, high = median_interval(medians)
        lines.append(
            f"calls of {LONG_CALL_S * 1e6:g} us and longer: median ratio "
            f"{statistics.median(medians):.3f} [{low:.3f}, {high:.3f}] over {len(medians)} rows, "
            f"lowest {min(medians):.3f}; target {TARGET}: "
            f"{'met' if statistics.median(medians) >= TARGET else 'MISSED'}, "
            f"{sum(one < TARGET for one in medians)} rows below it"
        )
        same = [statistics.median(one.same_ratios) for one in long_ones]
        lines.append(
            f"bare / bare of the same rows: median {statistics.median(same):.3f}, "
            f"{min(same):.3f} to {max(same):.3f}"
        )
    return lines


if __name__ == "__main__":
    main()
