"""How long merging posting lists takes: the packed kernel against a plain one, over a grid.

Run as ``PYTHONPATH=suites python -m micro.postings`` for the whole grid (some ten minutes, 8 GB),
or name lines of it: ``--items 1000000 --shapes 8x256``.

65,536 lists; the items of a list are distinct and drawn by a Zipf law of exponent 1 (item r with a
probability in proportion to log((r + 2) / (r + 1))), ids in popularity order; scores are
exponential; a query reads lists drawn evenly, k = 100. Contenders take turns in one process, on one
thread, each with queries of its own, so that none finds in the cache what another has read:

- **plain**: a float32 accumulator, a list of the items touched, a heap of the k best, in numba,
  over ids (int32) and scores (float32) in two arrays. Ids are the same, so it has the same
  locality. One compiled call for all queries.
- **packed**: `PackedMerger.merge`, all queries in one call.
- **single**: the same, one query a call, from Python.

Seconds are those of a query, the median of the turns. A cold process is measured apart: what
compiling the merge costs where nothing is kept on disk, and loading it where it is. What counting
candidates costs and what fetching ahead gains is measured in turns, too, against the same source
compiled without the lines that do it.
"""

import argparse
import importlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
from tabulate import tabulate

from harness.lists import Lists
from harness.measure.threads import set_threads
from methods.sparcode.index.packed import PackedPostings, pack
from methods.sparcode.index.postings import Postings
from methods.sparcode.serving import packed_kernel, packed_merge
from methods.sparcode.serving.packed_merge import PackedMerger

N_LISTS, K = 65_536, 100
SIZES = (50_000, 1_000_000)
SHAPES = (
    "4x64", "8x64", "4x256", "8x256", "16x256", "4x1024", "8x1024", "16x1024", "16x4096",
)  # fmt: skip
POSTINGS_A_TURN = 100_000  # short, so that what the machine does meanwhile falls on all
PARTS = {"counting": ("touched += ", 3), "fetching": ("fetch(", 1)}  # lines of the kernel
COMPILING = (
    "import time, methods.sparcode.index.packed; begun = time.perf_counter(); "
    "from methods.sparcode.serving.packed_kernel import merge as k; "
    "print(time.perf_counter() - begun, k.COMPILE_S > 0)"
)


@dataclass(frozen=True)
class Data:
    """Lists of one length, as they are and packed."""

    n_items: int
    length: int
    postings: Postings
    packed: PackedPostings


def make_data(n_items, n_lists, length, seed=0):
    """Return 65,536 lists of ``length`` items, of which a query adds up ``n_lists``."""
    items = np.empty((N_LISTS, length), np.int32)
    draw_zipf(items, n_items, seed)
    scores = np.empty(items.shape, np.float32)
    random = np.random.default_rng(seed)
    for row in range(0, N_LISTS, 4096):  # a block at a time: float64 would double the memory
        scores[row : row + 4096] = random.standard_exponential((4096, length), np.float32)
    scores += np.float32(1e-3)
    starts = np.arange(N_LISTS + 1, dtype=np.int64) * length
    postings = Postings(starts, items.ravel(), scores.ravel())
    popularity = np.arange(n_items)[::-1]
    return Data(n_items, length, postings, pack(postings, popularity, n_lists))


@numba.njit(parallel=True, cache=True)
def draw_zipf(items, n_items, seed):
    """Fill each row with distinct items; the same on any number of threads."""
    for block in numba.prange(64):
        np.random.seed(seed * 64 + block)  # noqa: NPY002  numba's own generator
        seen = np.full(n_items, -1, np.int32)
        for row in range(block * len(items) // 64, (block + 1) * len(items) // 64):
            count = 0
            while count < items.shape[1]:
                item = int((n_items + 1) ** np.random.random()) - 1  # noqa: NPY002
                if item < n_items and seen[item] != row:
                    seen[item] = row
                    items[row, count] = item
                    count += 1


@numba.njit(cache=True, nogil=True)
def plain_merge(totals, touched, starts, items, scores, lists, k):
    """Return ids and scores (n, k): float32 sums, a heap of the best, then sorted."""
    n = lists.shape[0]
    ids, best = np.full((n, k), -1, np.int64), np.full((n, k), -np.inf, np.float32)
    heap_scores, heap_items = np.empty(k, np.float32), np.empty(k, np.int32)
    for q in range(n):
        count = 0
        for column in range(lists.shape[1]):
            one = lists[q, column]
            for at in range(starts[one], starts[one + 1]):
                item = items[at]
                if totals[item] == 0.0:
                    touched[count] = item
                    count += 1
                totals[item] += scores[at]
        size = 0
        for at in range(count):
            item = touched[at]
            total = totals[item]
            totals[item] = 0.0
            if size < k:
                sift_up(heap_scores, heap_items, size, total, item)
                size += 1
            elif better(total, item, heap_scores[0], heap_items[0]):
                sift_down(heap_scores, heap_items, size, total, item)
        for rank in range(size - 1, -1, -1):
            ids[q, rank], best[q, rank] = heap_items[0], heap_scores[0]
            sift_down(heap_scores, heap_items, rank, heap_scores[rank], heap_items[rank])
    return ids, best


@numba.njit(inline="always")
def better(score, item, other_score, other_item):
    return score > other_score or (score == other_score and item < other_item)


@numba.njit
def sift_up(scores, items, at, score, item):
    while at > 0:
        parent = (at - 1) >> 1
        if not better(scores[parent], items[parent], score, item):
            break
        scores[at], items[at] = scores[parent], items[parent]
        at = parent
    scores[at], items[at] = score, item


@numba.njit
def sift_down(scores, items, size, score, item):
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and better(
            scores[child], items[child], scores[child + 1], items[child + 1]
        ):
            child += 1
        if not better(score, item, scores[child], items[child]):
            break
        scores[at], items[at] = scores[child], items[child]
        at = child
    if size > 0:
        scores[at], items[at] = score, item


def contenders(data, n_lists, merger):
    """Return ``name -> answer(lists)`` of all, each compiled and with its memory taken."""
    totals = np.zeros(data.n_items, np.float32)
    touched = np.empty(n_lists * data.length, np.int32)
    none = {}

    def hidden(n):
        return none.setdefault(n, Lists.empty(n))

    def plain(lists):
        return plain_merge(totals, touched, *data.postings, lists, K)

    def packed(lists):
        return merger.merge(lists, None, hidden(len(lists)), K)

    def single(lists):
        empty = hidden(1)
        for row in range(len(lists)):
            merger.merge(lists[row : row + 1], None, empty, K)

    return {"plain": plain, "packed": packed, "single": single}


def measure(data, n_lists, turns):
    """Return seconds of a query by contender, and how the answers of plain and packed agree."""
    merger = PackedMerger(data.packed, data.n_items)
    sides = contenders(data, n_lists, merger)
    random = np.random.default_rng(1)
    shape = (queries_a_turn(data, n_lists), n_lists)
    lists = random.integers(N_LISTS, size=shape)
    answers = {name: side(lists) for name, side in sides.items()}  # warms up, too
    both = zip(answers["packed"][0], answers["plain"][0], strict=True)
    shared = np.mean([np.isin(one, other).mean() for one, other in both])
    seconds = {name: [] for name in sides}
    for _ in range(turns):
        for name in random.permutation(list(sides)).tolist():
            lists = random.integers(N_LISTS, size=shape)
            begun = time.perf_counter()
            sides[name](lists)
            seconds[name].append((time.perf_counter() - begun) / len(lists))
    return seconds, shared, merger.costs


def queries_a_turn(data, n_lists):
    return max(64, POSTINGS_A_TURN // (n_lists * data.length))


def compare_without(part, data, n_lists, turns):
    """Return the median ratio of seconds with and without a part, and of with and with again."""
    merger = PackedMerger(data.packed, data.n_items)
    whole, bare = packed_merge.merge_rows, kernel_without(part).merge_rows
    random = np.random.default_rng(2)
    shape = (queries_a_turn(data, n_lists), n_lists)
    hidden, same = Lists.empty(shape[0]), random.integers(N_LISTS, size=shape)
    answers, seconds = [], ([], [], [], [])

    def timed(kernel, lists):
        packed_merge.merge_rows = kernel
        begun = time.perf_counter()
        answers.append(merger.merge(lists, None, hidden, K)[0])
        return time.perf_counter() - begun

    try:
        timed(whole, same)
        timed(bare, same)
        assert (answers[0] == answers[1]).all(), f"{part} changes no answer"
        for _ in range(turns):
            for side in random.permutation(4):
                lists = random.integers(N_LISTS, size=shape)
                seconds[side].append(timed((whole, bare, whole, bare)[side], lists))
    finally:
        packed_merge.merge_rows = whole
    first, without, again, without_again = np.array(seconds)
    ratios = np.concatenate((first / without, again / without_again))
    return float(np.median(ratios)), float(np.median(again / first))


def kernel_without(part):
    """Return the kernel's entry points, compiled from its sources with some lines made empty."""
    begins, expected = PARTS[part]
    name, found = f"kernel_without_{part}", 0
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).mkdir()
        for path in Path(packed_kernel.__file__).parent.glob("*.py"):
            text = path.read_text(encoding="utf-8").replace(packed_kernel.__name__, name)
            lines = text.splitlines()
            for number, line in enumerate(lines):
                if line.strip().startswith(begins):
                    found += 1
                    lines[number] = line.partition(begins)[0] + "pass"
            (Path(folder) / name / path.name).write_text("\n".join(lines), encoding="utf-8")
        assert found == expected, f"expected {expected} lines that begin with {begins!r}"
        sys.path.insert(0, folder)
        try:
            return importlib.import_module(f"{name}.merge")
        finally:
            sys.path.remove(folder)


def compiling():
    """Return seconds of compiling the merge in a process that keeps nothing, and of loading it."""
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", COMPILING],
                env={**os.environ, "NUMBA_CACHE_DIR": folder},
                capture_output=True,
                text=True,
                check=True,
            )
            seconds, compiled = done.stdout.split()
            found.append(float(seconds))
            assert compiled == str(len(found) == 1), "the second process finds what the first kept"
        return found


def main():
    """Print a row for each size and shape."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, nargs="+", default=SIZES)
    parser.add_argument("--shapes", nargs="+", default=SHAPES, help="lists x postings of each")
    parser.add_argument("--turns", type=int, default=51)
    options = parser.parse_args()
    set_threads(1)
    rows, parts = [], []
    for n_items in options.items:
        for shape in options.shapes:
            n_lists, length = (int(part) for part in shape.split("x"))
            data = make_data(n_items, n_lists, length)
            rows.append([f"{n_items:,}", shape, *row_of(data, n_lists, options.turns)])
            for part in PARTS if shape == "8x256" else ():
                ratios = compare_without(part, data, n_lists, options.turns)
                parts.append((n_items, part, *ratios))
            sys.stderr.write(".")
            sys.stderr.flush()
    headers = ["items", "lists", "plain us", "packed us", "single us", "packed QPS", "single QPS"]
    headers += ["ns a posting", "fastest", "plain/packed", "fastest", "% of plain's", "collects"]
    compile_s, load_s = compiling()
    sys.stdout.write(
        f"\n{tabulate(rows, headers, floatfmt=',.4g')}\n"
        f"k = {K}, one thread, median of {options.turns} turns (fastest: of the fastest turns)\n"
        f"a process without kept code compiles {compile_s:.1f} s, with it loads {load_s:.2f} s\n"
    )
    for n_items, part, ratio, same in parts:
        sys.stdout.write(
            f"{n_items:,} items, 8x256: seconds with {part} / without {ratio:.3f} "
            f"(with / with {same:.3f})\n"
        )


def row_of(data, n_lists, turns):
    """Return what a row of the table says of one size and shape."""
    turned, shared, costs = measure(data, n_lists, turns)
    median = {name: statistics.median(one) for name, one in turned.items()}
    fastest = {name: min(one) for name, one in turned.items()}
    read = n_lists * data.length
    return [
        *(1e6 * one for one in median.values()),
        1 / median["packed"],
        1 / median["single"],
        1e9 * median["packed"] / read,
        1e9 * fastest["packed"] / read,
        median["plain"] / median["packed"],
        fastest["plain"] / fastest["packed"],
        100 * shared,
        "dense" if read >= costs.dense_from else "sparse",
    ]


class Merge:
    """asv: one call of 64 queries, 8 lists of 256 postings."""

    params = SIZES
    param_names = ("n_items",)
    timeout = 300

    def setup(self, n_items):
        data = make_data(n_items, 8, 256)
        sides = contenders(data, 8, PackedMerger(data.packed, n_items))
        self.lists = np.random.default_rng(1).integers(N_LISTS, size=(64, 8))
        self.plain, self.packed, self.single = sides.values()
        for side in sides.values():
            side(self.lists)

    def time_plain(self, n_items):
        self.plain(self.lists)

    def time_packed(self, n_items):
        self.packed(self.lists)

    def time_single(self, n_items):
        self.single(self.lists)


if __name__ == "__main__":
    main()
