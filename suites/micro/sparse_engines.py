"""Print how fast Seismic and the packed merge add up the same posting lists, and what each loses.

Run as ``PYTHONPATH=suites python -m micro.sparse_engines``; it takes the extra `seismic`. The lists
are those of the method `posting_lists` over the clustered vectors of `planted_vectors`, 64
dimensions: every codeword's items of the largest inner products. Both engines get the lists of the
queries, not the vectors. The exact answer is the k best float32 sums of all postings; ``kept`` is
the share of it that is among the k returned. What heap_factor 0 loses on top of 1 is half floats.

One thread. In every round each engine answers the same queries one at a time, then as batches,
starting one further down the line. A rate is that of an engine's fastest round; a ratio is taken
within the round, and its median printed.
"""

import argparse
import os
import statistics
import sys
import time

import numpy as np
from tabulate import tabulate

from harness.data.planted_vectors import FIELD, PlantedVectorsParams, planted_vectors
from harness.lists import Lists
from harness.measure.sending import no_collection
from harness.measure.threads import set_threads
from methods.sparcode.index.code_postings import best_postings, nearest_codes
from methods.sparcode.index.packed import pack
from methods.sparcode.serving.merge import merge_lists
from methods.sparcode.serving.packed_merge import PackedMerger
from methods.sparcode.serving.seismic_merge import SeismicMerger
from methods.sparcode.spherical_kmeans import spherical_kmeans

DIM, K, BATCH = 64, 100, 256
N_QUERIES = 4 * BATCH
SETTINGS = ((8, 0.0), (8, 0.8), (8, 1.0), (4, 1.0), (2, 1.0))  # query_cut, heap_factor
PER_CODE, ITERATIONS = 8, 4


def main():
    """Build both indexes, take turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--codes", type=int, default=4096)
    parser.add_argument("--postings", type=int, default=256, help="of a list; default 256")
    parser.add_argument("--lists", type=int, default=8, help="of a query; default 8")
    parser.add_argument("--rounds", type=int, default=15, help="default 15")
    options = parser.parse_args()
    set_threads(1)
    postings, lists = draw(options)
    exact = merge_lists(*postings, lists, *no_one_hides(len(lists)), options.items, K)[0]
    engines, facts = line_up(options, postings)
    taken = {
        name: race(engines, lists, size, options.rounds) for name, size in (("", 1), ("b", BATCH))
    }
    rows = []
    for name, answer in engines.items():
        found = answer(lists)
        kept = np.mean([np.isin(a, b).mean() for a, b in zip(exact, found, strict=True)])
        rows.append([name, kept])
        for times in taken.values():
            rows[-1] += [1 / min(times[name])]
            rows[-1] += [statistics.median(map(ratio, times[name], times["packed merge"]))]
        rows[-1] += facts[name.partition(",")[0]]
    headers = [
        "engine", "kept", "QPS, one by one", "of the merge's", f"QPS, batches of {BATCH}",
        "of the merge's", "MB", "build s",
    ]  # fmt: skip
    sys.stdout.write(
        tabulate(rows, headers, floatfmt=",.4g")
        + f"\n{options.items:,} items, {postings.lengths.size:,} lists of {options.postings}, "
        f"{options.lists} a query, k = {K}; load average {os.getloadavg()[0]:.1f}\n"
    )


def draw(options):
    """Return the lists of the codewords, and those that each query reads, int64 (n, K)."""
    log = planted_vectors(PlantedVectorsParams(n_items=options.items, n_queries=N_QUERIES, dim=DIM))
    items, queries = (side.columns[FIELD].values for side in (log.item_fields, log.user_fields))
    codewords = spherical_kmeans(items, options.codes, PER_CODE, ITERATIONS, 0)
    postings = best_postings(codewords, items, options.postings, lambda *_: None)
    return postings, np.asarray(nearest_codes(queries, codewords, options.lists))


def line_up(options, postings):
    """Return what answers lists, by name, and of each engine its megabytes and seconds to build."""
    begun = time.perf_counter()
    listed = np.bincount(postings.items, minlength=options.items)
    packed = pack(postings, listed, options.lists)
    merger = PackedMerger(packed, options.items)
    facts = {"packed merge": [packed.nbytes / 1e6, time.perf_counter() - begun]}
    begun = time.perf_counter()
    seismic = SeismicMerger.of(postings)
    facts["seismic"] = [seismic.nbytes / 1e6, time.perf_counter() - begun]
    hidden = {size: Lists.empty(size) for size in (1, BATCH, N_QUERIES)}

    def opened(query_cut, heap_factor):
        def answer(lists):
            seismic.query_cut, seismic.heap_factor = query_cut, heap_factor
            return seismic.merge(lists, None, hidden[len(lists)], K)[0]

        return answer

    engines = {"packed merge": lambda lists: merger.merge(lists, None, hidden[len(lists)], K)[0]}
    for cut, factor in SETTINGS:
        engines[f"seismic, query_cut {cut}, heap_factor {factor:g}"] = opened(cut, factor)
    return engines, facts


def race(engines, lists, size, n_rounds):
    """Return for each engine the seconds a query, round by round; the first round warms up."""
    names, found = list(engines), {name: [] for name in engines}
    parts = [lists[first : first + size] for first in range(0, len(lists), size)]
    with no_collection():
        for number in range(-1, n_rounds):
            for step in range(len(names)):
                name = names[(number + step) % len(names)]
                begun = time.perf_counter()
                for part in parts:
                    engines[name](part)
                if number >= 0:
                    found[name].append((time.perf_counter() - begun) / len(lists))
    return found


def ratio(engine_s, merge_s):
    """Return an engine's rate as a share of the merge's, of seconds a query in one round."""
    return merge_s / engine_s


def no_one_hides(n):
    none = Lists.empty(n)
    return none.indptr.copy(), none.ids.copy()


if __name__ == "__main__":
    main()
