"""Print how many queries a second posting lists are merged at on a GPU, beside exact search there.

Run as ``PYTHONPATH=suites:. python3 -m micro.device_merge [--out FILE]``. 65,536 packed lists over
1M items, k = 100. Ways of `DeviceMerger` and, in the first setting, exact search by torch (matrix
product and top-k, blocked; float32, TF32, bfloat16; 64 dimensions) and by faiss where it has a GPU
build. *Resident*: queries lie on the device and answers stay there. *End to end*: from host arrays
to host arrays. All of a batch take turns; each reading waits for the device; a sample lasts 5 ms or
a call. Medians with quartiles. Beside each figure its share of what the memory allows: bytes of
postings, list numbers and answers over the bandwidth of a copy measured here (lists that stay in
the cache of the device can be read faster than that).
Before timing, answers are compared with whole numbers added on the CPU; a way that differs is not
timed. ``--tune`` also times the Triton kernel with other numbers of warps and programs.
"""

import argparse
import dataclasses
import json
import statistics
import sys
import time
import traceback
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

from harness.measure.clock import clock_for
from harness.measure.device import best_device, describe_device
from methods.sparcode.serving.device_merger import WAYS, DeviceMerger, to_host
from micro.device_merge_data import Setting, by_hand, make_packed, make_queries

try:
    import faiss
except ImportError:
    faiss = None

ROUNDS, SAMPLE_S, MOST_S, CHECKED, DIM = 10, 0.005, 4.0, 16, 64


@dataclasses.dataclass(frozen=True)
class Size:
    n_items: int
    n_codes: int
    settings: tuple
    batches: tuple
    k: int


FULL = Size(
    1_000_000,
    65_536,
    (Setting(8, 256), Setting(16, 256), Setting(16, 1024)),
    (1, 64, 1024, 8192),
    100,
)
SMALL = Size(20_000, 256, (Setting(8, 32), Setting(16, 64)), (1, 16), 10)


class Report:
    """Rows for the table, and lines for the file."""

    def __init__(self, device, out):
        self.rows, self.out = [], out
        self.facts = {**describe_device(device), "device": device, "torch": torch.__version__}

    def add(self, **fields):
        self.rows.append(fields)
        if self.out:
            with Path(self.out).open("a") as file:
                file.write(json.dumps({**fields, **self.facts}) + "\n")
        note(" ".join(f"{name}={_short(value)}" for name, value in fields.items()))

    def table(self):
        kept = [row for row in self.rows if "qps" in row]
        columns = ["setting", "batch", "way", "mode", "qps", "q25", "q75", "us_a_query", "limit"]
        body = [[row.get(name, "") for name in [*columns, "share"]] for row in kept]
        return tabulate(body, headers=[*columns, "share of limit"], floatfmt=",.4g", intfmt=",")


def _short(value):
    return f"{value:.4g}" if isinstance(value, float) else value


def note(text):
    sys.stderr.write(f"[{time.perf_counter() - BEGUN:6.1f} s] {text}\n")
    sys.stderr.flush()


def guarded(what, work, *args):
    """Return ``work(*args)``, or None with the traceback printed: the rest goes on."""
    try:
        return work(*args)
    except Exception:  # printed, and no row of the table comes of it
        note(f"FAILED {what}\n{traceback.format_exc()}")
        return None


def bandwidth(device, clock):
    """Return the bytes a second that a copy on the device reads and writes."""
    size = 1 << (30 if device != "cpu" else 26)
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    goal = torch.empty_like(source)
    goal.copy_(source)
    seconds = []
    for _ in range(10):
        start = clock()
        goal.copy_(source)
        seconds.append(clock() - start)
    return 2 * size / statistics.median(seconds)


def measure(rivals, clock):
    """Return the seconds a call of each rival, ROUNDS samples taken in turns.

    A rival of which ROUNDS calls would take more than MOST_S is left out.
    """
    calls = {}
    for name, work in rivals.items():
        if guarded(name, lambda work=work: (work(), work())) is None:
            continue
        start = clock()
        work()
        once = clock() - start
        if once * ROUNDS > MOST_S:
            note(f"left out: {name}, a call takes {once:.3f} s")
            continue
        calls[name] = max(1, int(SAMPLE_S / once))
    seconds = {name: [] for name in calls}
    for number in range(ROUNDS):
        order = list(calls) if number % 2 == 0 else list(reversed(calls))
        for name in order:
            start = clock()
            for _ in range(calls[name]):
                rivals[name]()
            seconds[name].append((clock() - start) / calls[name])
    return seconds


def agreed(merger, packed, size, setting, asked):
    """Return the ways whose answers to the largest batch are right.

    The first and last queries are compared with the CPU, and all with the first way that is right.
    """
    n = max(size.batches)
    lists, hidden = make_queries(size.n_codes, n, setting.n_lists, seed=9)
    placed = merger.place(lists, None, hidden)
    some = np.concatenate((np.arange(CHECKED // 2), np.arange(n - CHECKED // 2, n)))
    ids, scores = by_hand(packed, lists[some], size.k)
    right, whole = [], None
    for way in [one for one in asked if merger.can(one, placed, size.k)]:
        begun = time.perf_counter()
        found = guarded(f"{way} {setting}", merger.merge_placed, placed, size.k, way)
        best = None if found is None else guarded(f"{way} {setting}", to_host, found)
        if best is None:
            continue
        same = np.array_equal(best.ids[some], ids) and np.array_equal(best.scores[some], scores)
        same = same and (whole is None or np.array_equal(best.ids, whole.ids))
        took = time.perf_counter() - begun
        note(f"{setting} {way}: equal to the CPU: {same}; first call {took:.2f} s")
        if same:
            right, whole = [*right, way], whole or best
    return right


def merge_rivals(merger, ways, lists, hidden, k):
    """Return (way, mode) -> a call."""
    placed = merger.place(lists, None, hidden)
    rivals = {}
    for way in ways:
        rivals[way, "resident"] = lambda way=way: merger.merge_placed(placed, k, way)
    chosen = merger.way(placed, k)
    if chosen in ways:
        rivals[chosen, "end to end"] = lambda: merger.merge(lists, None, hidden, k)
    return rivals


def exact_search(queries, items, k, tf32):
    """Return the k best inner products of each query, in blocks of 4 GiB of scores."""
    torch.backends.cuda.matmul.allow_tf32 = tf32
    block = max(1, (1 << 30) // len(items))
    parts = [torch.topk(part @ items.T, k, dim=1) for part in queries.split(block)]
    torch.backends.cuda.matmul.allow_tf32 = False
    return parts


def exact_rivals(device, n_items, n, k):
    """Return (name, mode) -> a call, for exact search over random vectors."""
    items = torch.randn(n_items, DIM, device=device)
    host = np.random.default_rng(3).standard_normal((n, DIM), np.float32)
    queries = torch.from_numpy(host).to(device)
    halves = items.to(torch.bfloat16), queries.to(torch.bfloat16)

    def end_to_end():
        parts = exact_search(torch.from_numpy(host).to(device), items, k, tf32=False)
        return [(one.values.cpu(), one.indices.cpu()) for one in parts]

    rivals = {
        ("exact float32", "resident"): lambda: exact_search(queries, items, k, tf32=False),
        ("exact float32", "end to end"): end_to_end,
        ("exact bfloat16", "resident"): lambda: exact_search(*halves[::-1], k, tf32=False),
    }
    if device != "cpu":
        rivals["exact TF32", "resident"] = lambda: exact_search(queries, items, k, tf32=True)
    if device != "cpu" and faiss is not None and getattr(faiss, "get_num_gpus", lambda: 0)():
        index = faiss.GpuIndexFlatIP(faiss.StandardGpuResources(), DIM)
        index.add(items.cpu().numpy())
        rivals["faiss exact", "end to end"] = lambda: index.search(host, k)
    return rivals


def tune(merger, setting, size, clock, report):
    """Time the kernels, resident, with other warps and programs at the largest batches."""
    triton, ways = merger.triton, {}
    most = triton.programs_with_row
    for batch in size.batches[-2:]:
        lists, hidden = make_queries(size.n_codes, batch, setting.n_lists)
        placed = merger.place(lists, None, hidden)
        for width in (128, 256, 512):
            for share in (1, 2, 4):
                programs = max(1, most // share)

                def rows(width=width, programs=programs, placed=placed):
                    triton.width_of_warp, triton.programs_with_row = width, programs
                    merger.merge_placed(placed, size.k, "triton_rows")

                ways[f"rows: {width} a warp, {programs} programs", batch] = rows
    for (name, batch), seconds in measure(ways, clock).items():
        qps = batch / statistics.median(seconds)
        report.add(setting=str(setting), batch=batch, way=name, mode="tune", qps=qps)


def one_setting(setting, size, device, clock, speed, report, options):
    """Measure all batches of one setting."""
    packed = make_packed(size.n_codes, setting.n_postings, size.n_items, setting.n_lists, device)
    merger = DeviceMerger(packed, size.n_items, device)
    ways = agreed(merger, packed, size, setting, options.ways)
    limit = speed / setting.bytes_a_query(size.k)
    for batch in size.batches:
        lists, hidden = make_queries(size.n_codes, batch, setting.n_lists)
        rivals = merge_rivals(merger, ways, lists, hidden, size.k)
        if setting == size.settings[0]:
            exact = guarded("exact", exact_rivals, device, size.n_items, batch, size.k)
            rivals.update(exact or {})
        for (way, mode), seconds in measure(rivals, clock).items():
            q25, middle, q75 = (float(np.percentile(seconds, one)) for one in (25, 50, 75))
            ours = way in ways
            report.add(
                n_items=size.n_items,
                setting=str(setting) if ours else f"{size.n_items:,} x {DIM}",
                batch=batch,
                way=way,
                mode=mode,
                qps=batch / middle,
                q25=batch / q75,
                q75=batch / q25,
                us_a_query=1e6 * middle / batch,
                samples=len(seconds),
                **({"limit": limit, "share": batch / middle / limit} if ours else {}),
            )
    if options.tune and "triton_rows" in ways:
        guarded("tuning", tune, merger, setting, size, clock, report)


def main():
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default=best_device(), help="cpu, cuda or cuda:N")
    parser.add_argument("--out", help="append one JSON line for each figure to this file")
    parser.add_argument("--small", action="store_true", help="seconds on a CPU")
    parser.add_argument("--tune", action="store_true", help="time variants of the Triton kernel")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="default: all")
    parser.add_argument("--items", type=int, help="another size of the catalogue")
    options = parser.parse_args()
    size, device = SMALL if options.small else FULL, options.device
    size = dataclasses.replace(size, n_items=options.items or size.n_items)
    clock, report = clock_for(device), Report(device, options.out)
    speed = bandwidth(device, clock)
    note(f"{report.facts}; a copy moves {speed / 1e9:,.0f} GB/s, read and written")
    for setting in size.settings:
        arguments = (setting, size, device, clock, speed, report, options)
        guarded(str(setting), one_setting, *arguments)
    sys.stdout.write(f"{report.table()}\n{report.facts}, {speed / 1e9:,.0f} GB/s\n")
    note("done")
    return 0


BEGUN = time.perf_counter()
if __name__ == "__main__":
    raise SystemExit(main())
