"""Print what the harness adds to a call: a bare loop over a library against the timed load drivers.

Run as ``PYTHONPATH=suites python -m micro.overhead`` with the extra ``cpu`` or ``gpu`` installed.

Both sides run in one process and in short turns, make the same calls with the same query rows in
the same order, keep every ids and scores array, and run with garbage collection off. Both take
their query rows from one array by number in each call: where an array begins in memory changes how
fast a library reads it, so neither may have better places.

- **bare**: the clock is read before the first and after the last call; in between ``kept =
  [search(vectors[users], k) for users in batches]``.
- **harness**: the loops that every load driver runs while the clock runs,
  `harness.measure.sending.send` (``single_stream``, ``batch``) and ``send_all`` (``offline``), over
  a Retriever. In the clock, for each call: the loop and its reading of the clock, `Queries` taken
  apart by the retriever, the same ``search(vectors[users], k)``, and a `TopK`.

The ratio is bare / harness of the same turn: 1.00 is no overhead, 0.98 is 2 %. A turn holds the
bare loop twice, and which of the three begins goes round: bare / bare is what the machine makes of
no difference at all. Turns are short so that what the machine does meanwhile falls on all three.
The interval is the exact 95 % interval of the median, from order statistics. A search that returns
what was made beforehand gives the fixed cost of a call. Ties are ordered by neither: what is
compared is the same work.
"""

import argparse
import gc
import statistics
import sys
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
from harness.measure.machine import describe_environment, describe_machine
from harness.measure.sending import no_collection, send, send_all
from harness.measure.threads import set_threads
from harness.retriever import Retriever
from harness.topk import TopK

DIM, K, BATCH = 64, 10, 32
N_QUERIES = 2048
MOST_CALLS, LEAST_TURNS = 1_000, 21
LONG_CALL_S = 100e-6  # the target holds for calls of this length and longer
TARGET = 0.98
LOADS = (("single_stream", 1), ("batch", BATCH), ("offline", BATCH))
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
    parser.add_argument("--turns", type=int, default=201, help="turns a row; default 201")
    parser.add_argument("--turn-s", type=float, default=0.005, help="of one side; default 0.005")
    parser.add_argument("--row-s", type=float, default=5.0, help="of a row, at most; default 5")
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
            for kind, batch in LOADS:
                outcomes.append(measure(case, vectors, kind, batch, threads, options))
                sys.stderr.write(".")
                sys.stderr.flush()
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


def measure(case, vectors, kind, batch, threads, options):
    """Return the seconds a call of both sides, and of the bare side again, turn by turn."""
    adapter, now_ns = Adapter(case.search, vectors), time.perf_counter_ns
    users = np.arange(N_QUERIES).reshape(-1, batch)
    calls = [queries_of(one) for one in users]
    n_calls = calls_for(case, vectors, users, options.turn_s)

    def ours(places):
        asked = [calls[place] for place in places]
        if kind == "offline":
            readings = [now_ns()]
            kept = send_all(adapter.search, asked, K)
            readings.append(now_ns())
        else:
            readings, kept = send(adapter.search, asked, K, now_ns)
        seconds = (readings[-1] - readings[0]) * 1e-9
        assert all(isinstance(one, TopK) for one in kept)
        return seconds / n_calls

    def bare(places):
        return bare_loop(case.search, vectors, users[places]) / n_calls

    sides = (bare, ours, bare)
    seconds: tuple[list[float], ...] = ([], [], [])
    begun = time.perf_counter()
    with no_collection():
        for turn in range(-2, options.turns):  # the first two warm up
            places = (np.arange(n_calls) + max(turn, 0) * n_calls) % len(calls)
            for step in range(len(sides)):
                place = (turn + step) % len(sides)
                taken = sides[place](places)
                if turn >= 0:
                    seconds[place].append(taken)
            if turn >= LEAST_TURNS and time.perf_counter() - begun > options.row_s:
                break
    return Outcome(case, batch, kind, threads, *seconds)


def calls_for(case, vectors, users, turn_s):
    """Return how many calls last about ``turn_s``, 1 to 1,000."""
    call_s = min(bare_loop(case.search, vectors, users[:4]) for _ in range(3)) / 4
    return int(np.clip(turn_s / call_s, 1, MOST_CALLS))


def bare_loop(search, vectors, batches):
    """Return the seconds of the loop anyone would write; ids and scores are kept."""
    begun = time.perf_counter()
    kept = [search(vectors[users], K) for users in batches]
    total_s = time.perf_counter() - begun
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
        f"{DIM} dimensions, k = {K}; {options.turns} turns of {options.turn_s:g} s a side at most",
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
