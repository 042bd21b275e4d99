"""Print how long SparCode's index takes to build, its peak memory, and the share of pairs skipped.

Run as ``PYTHONPATH=suites python -m micro.index_build``. Every row is a fresh process. Items and
codes are points around common centres, of spread ``--spread`` about them: how much bounds can leave
out depends on that, and on nothing that a trained model would promise. Rows whose name ends in
"bounds" leave blocks of items out, and put the items in order first, inside the clock. The 3 x 256
perceptron, and one hidden layer by torch, are scored on a sample; seconds for all pairs are then an
extrapolation and marked so.
Last, an index file of ``--file-mb`` is written, opened and verified.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import numba
import numpy as np
import torch

from methods.interactions.split_mlp import split_mlp
from methods.sparcode.index.bounds import alike_order, dot_bounds, split_mlp_bounds
from methods.sparcode.index.building import build_lists
from methods.sparcode.index.cut import CutRules
from methods.sparcode.index.index_file import open_index, write_index
from methods.sparcode.index.scorer import SidesScorer

DIM, HIDDEN, HEADS, CENTRES = 64, 64, 8, 500
WIDE = 256  # of the deep perceptron
SAMPLE = (256, 4096)  # codes, items that it is measured on
TORCH_CODES = 512  # that one hidden layer by torch is measured on
DENSITY = 0.05  # of rows without a rule: set by the bias
ROWS = (
    "dot",
    "dot, bounds",
    "dot, uncut",
    "dot, capped",
    "product",
    "one hidden, torch",
    "one hidden, fused",
    "one hidden, bounds",
    "3 x 256, fp32",
    "3 x 256, bf16",
)


def main():
    """Measure every row in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--codes", type=int, default=15_000)
    parser.add_argument("--items", type=int, default=41_000)
    parser.add_argument("--top", type=int, default=256, help="postings of a list; default 256")
    parser.add_argument("--spread", type=float, default=0.5, help="about centres; default 0.5")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-budget-mb", type=float, default=1000.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--file-mb", type=int, default=1000, help="0: no file; default 1,000")
    parser.add_argument("--rows", nargs="+", default=ROWS, choices=ROWS, metavar="ROW")
    options = parser.parse_args()
    say(f"{options.codes:,} codes x {options.items:,} items, d = {DIM}, {options.threads} threads")
    heads = ("seconds", "CPU s", "peak MB", "rise MB", "skipped")
    say(f"{'interaction':20} " + " ".join(f"{head:>9}" for head in heads) + " postings")
    context = multiprocessing.get_context("spawn")
    for row in options.rows:
        with context.Pool(1) as pool:
            say(pool.apply(measured, (row, options)))
    if options.file_mb:
        say(file_times(options.file_mb))


def say(line):
    print(line, flush=True)  # noqa: T201  a script that is run by hand


def measured(row, options):
    """Return the line of a row: time, peak of the process, and its rise over what came before."""
    torch.set_num_threads(options.threads)
    numba.set_num_threads(options.threads)
    codes, items = points(options)
    if row.startswith("3 x 256"):
        return deep(row, codes, items, options)
    n_all = len(codes)
    if row == "one hidden, torch":
        codes = codes[:TORCH_CODES]
    warm = CutRules(top_per_code=2)
    build_lists(scorer_of(row, codes[:300], items[:300], options.device), warm)
    rules, bias = CutRules(top_per_code=options.top), None
    if row == "dot, uncut":
        rules, bias = CutRules(), -quantile(codes, items)
    if row == "dot, capped":
        rules = CutRules(max_per_item=options.top, budget=options.codes * options.top // 2)
    before = peak_mb()
    begun, cpu = time.perf_counter(), time.process_time()
    scorer = Counted(scorer_of(row, codes, items, options.device, bias))
    built = build_lists(scorer, rules, options.memory_budget_mb)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    peak = peak_mb()
    rest = "" if len(codes) == n_all else extrapolated(len(codes), len(items), options, seconds)
    skipped = 1 - scorer.pairs / (scorer.n_codes * scorer.n_items)
    return (
        f"{row:20} {seconds:9.2f} {cpu:9.2f} {peak:9.0f} {peak - before:9.0f} {skipped:9.1%} "
        f"{built.items.size:,}{rest}"
    )


def extrapolated(n, m, options, seconds):
    """Say what a sample of n x m pairs means for all."""
    whole = seconds * options.codes * options.items / (n * m)
    return (
        f"; a sample of {n:,} x {m:,}, {n * m / seconds / 1e6:.2f} M pairs/s; "
        f"extrapolated to all pairs: {whole:,.0f} s"
    )


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def points(options):
    """Return codes and items, float32 (n, 64), around common centres."""
    random = torch.Generator().manual_seed(0)
    centres = torch.randn(CENTRES, DIM, generator=random)

    def near(n):
        own = torch.randint(CENTRES, (n,), generator=random)
        return centres[own] + options.spread * torch.randn(n, DIM, generator=random)

    return near(options.codes), near(options.items)


def quantile(codes, items):
    """Return what a share of DENSITY of the inner products is above."""
    return float((codes[:200] @ items[:2000].T).quantile(1 - DENSITY))


def scorer_of(row, codes, items, device, bias=None):
    """Return the scorer of a row; mixing weights are drawn, and the same every time."""
    random = torch.Generator().manual_seed(1)
    b = torch.full((len(codes),), bias or 0.0, device=device)
    ids = None
    if row.endswith("bounds"):
        order = alike_order(items)
        items, ids = items[order].contiguous(), order.to(torch.int32).numpy()
    codes, items = codes.to(device), items.to(device)
    if row.startswith("dot"):
        bounds = dot_bounds(codes, items, b) if row.endswith("bounds") else None
        return SidesScorer(dot, [codes], [items], b, item_ids=ids, make_bounds=bounds)
    if row == "product":
        projections = torch.randn(2, HEADS, DIM, DIM // HEADS, generator=random).to(device) / 8
        sides = [
            torch.einsum("nd,hde->hne", x, p)
            for x, p in zip((codes, items), projections, strict=True)
        ]
        sides = [side.transpose(0, 1).contiguous() for side in sides]  # (n, heads, d / heads)
        return SidesScorer(product, sides[:1], sides[1:], b, pair_bytes=8 * HEADS + 8)
    mixing = torch.randn(2, DIM, HIDDEN, generator=random).to(device) / 8
    w = (torch.randn(HIDDEN, generator=random) / 8).to(device)
    a, c = codes @ mixing[0], items @ mixing[1]
    if row == "one hidden, torch":

        def pairs(own, other):
            return torch.relu(own[0][:, None] + other[0][None]) @ w

        return SidesScorer(pairs, [a], [c], b, pair_bytes=8 * HIDDEN + 4)

    def fused(own, other):
        return split_mlp(own[0], other[0], w)

    if row == "one hidden, bounds":
        bounds = split_mlp_bounds(a, c, w, b)
        return SidesScorer(fused, [a], [c], b, item_ids=ids, make_bounds=bounds)
    return SidesScorer(fused, [a], [c], b)


def dot(own, other):
    return own[0] @ other[0].T


def product(own, other):
    """Return sum_h relu(<P_h t, Q_h i>)."""
    return torch.relu(torch.einsum("nhe,mhe->hnm", own[0], other[0])).sum(0)


class Counted:
    """A scorer that counts the pairs it is asked for."""

    def __init__(self, scorer):
        self._scorer, self.pairs = scorer, 0

    def __getattr__(self, name):
        return getattr(self._scorer, name)

    def scores(self, first_code, after_code, first_item, after_item):
        self.pairs += (after_code - first_code) * (after_item - first_item)
        return self._scorer.scores(first_code, after_code, first_item, after_item)

    def scores_of(self, codes, first_item, after_item):
        self.pairs += codes.size * (after_item - first_item)
        return self._scorer.scores_of(codes, first_item, after_item)


def deep(row, codes, items, options):
    """Measure the perceptron d -> 256 -> 256 -> 256 -> 1, first layer split, on a sample."""
    kind = torch.bfloat16 if row.endswith("bf16") else torch.float32
    random = torch.Generator().manual_seed(1)

    def weights(*shape):
        return (torch.randn(*shape, generator=random) / shape[0] ** 0.5).to(options.device, kind)

    second, third, last = weights(WIDE, WIDE), weights(WIDE, WIDE), weights(WIDE)
    own, other = (one.to(options.device, kind) @ weights(DIM, WIDE) for one in (codes, items))

    def pairs(left, right):
        hidden = torch.relu(left[0][:, None] + right[0][None]).flatten(0, 1)
        hidden = torch.relu_(torch.relu_(hidden @ second) @ third)
        return (hidden @ last).view(len(left[0]), len(right[0]))

    n, m = min(SAMPLE[0], len(own)), min(SAMPLE[1], len(other))
    bias = torch.zeros(n, device=options.device)
    scorer = SidesScorer(
        pairs, [own[:n]], [other[:m]], bias, pair_bytes=3 * WIDE * last.element_size() + 4
    )
    rules = CutRules(top_per_code=options.top)
    build_lists(scorer, rules, options.memory_budget_mb)
    before = peak_mb()
    begun, cpu = time.perf_counter(), time.process_time()
    built = build_lists(scorer, rules, options.memory_budget_mb)
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    peak = peak_mb()
    return (
        f"{row:20} {seconds:9.2f} {cpu:9.2f} {peak:9.0f} {peak - before:9.0f} {0:9.1%} "
        f"{built.items.size:,}{extrapolated(n, m, options, seconds)}"
    )


def file_times(megabytes):
    """Return how long a file takes to write, to open, and to verify."""
    lengths = np.full(65_536, megabytes * 1_000_000 // 65_536 // 4, np.int64)
    starts = np.concatenate(([0], np.cumsum(lengths)))
    entries = np.arange(starts[-1], dtype=np.uint32)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lists.index"
        times = [time.perf_counter()]
        write_index(path, {"starts": starts, "entries": entries}, {})
        times.append(time.perf_counter())
        open_index(path)
        times.append(time.perf_counter())
        open_index(path, verify=True)
        times.append(time.perf_counter())
        size = path.stat().st_size / 1e6
    write_s, open_s, verify_s = np.diff(times)
    return (
        f"index file of {size:,.0f} MB: written in {write_s:.2f} s, "
        f"opened in {open_s * 1e3:.2f} ms, opened and verified in {verify_s:.2f} s"
    )


if __name__ == "__main__":
    main()
