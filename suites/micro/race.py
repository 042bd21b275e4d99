"""Race SparCode's posting lists against vector indexes: one process, one thread, in turns.

Run as ``PYTHONPATH=suites python -m micro.race --items 1000000 --cache FOLDER``. The vectors are
the clustered ones of the data set `planted_vectors`, 64 dimensions, inner product; each rival
stands at the smallest search setting whose ann_recall@100 reaches 0.95, of its build settings the
fastest.
The merges read 8 lists of 256 postings and 16 of 1,024: of 65,536 lists drawn by a Zipf law, and of
lists made from the vectors. A merge answers another question than a vector index (it adds up stored
scores), so its ann_recall says how far a sum of codeword products is from the inner product, and
is no quality of SparCode. What is compared is the cost of an answer. How fast IVF and ScaNN are
depends on how well the clusters part: `--spread` makes them overlap, and `--vectors FILE` races
learned embeddings instead (an .npz with float32 ``items`` (n, d) and ``queries`` (m, d)).

In every round each contender answers for about ``--sample-s``, starting one further down the line;
a ratio is taken within the round. Building uses all cores; what is timed has one thread. Built
indexes are kept in ``--cache`` with the seconds that building them took. ScaNN runs where the extra
`scann` is installed.
"""

import argparse
import hashlib
import itertools
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from harness.data.planted_vectors import FIELD, PlantedVectorsParams, planted_vectors
from harness.lists import Lists
from harness.measure.machine import describe_environment, describe_machine
from harness.measure.sending import no_collection
from methods.sparcode.index.code_postings import nearest_codes
from methods.sparcode.serving.packed_merge import PackedMerger
from micro.race_lists import (
    CODEWORDS,
    PARTS,
    SHAPES,
    contender,
    float_merge,
    heap_merge,
    vector_cases,
    zipf_case,
)
from micro.race_report import ratios, report, row_of
from micro.race_rivals import Arena, overlap, rivals, set_all_threads, set_one_thread

DIM, K, BATCH, TARGET = 64, 100, 1024, 0.95
N_QUERIES = 16 * BATCH  # sent in turn: no index answers from a warm cache
N_JUDGED = 1024  # of them, the first, say what agreement is
SLOW_S, SLOW_ROUNDS = 2.0, 3  # a batch that takes longer takes part in the first rounds only


def main():
    """Build what is missing, race, print the tables, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--cache", type=Path, default=Path("results/race_cache"))
    parser.add_argument("--rounds", type=int, default=15, help="default 15")
    parser.add_argument("--sample-s", type=float, default=0.2, help="of one turn; default 0.2")
    parser.add_argument("--spread", type=float, default=0.8, help="of clusters; default 0.8")
    parser.add_argument("--vectors", type=Path, help="an .npz of items and queries to race on")
    parser.add_argument(
        "--build-threads", type=int, default=os.cpu_count(), help="default: all cores"
    )
    parser.add_argument("--hnsw-m", type=int, nargs="+", default=[8, 16, 32], help="M to try")
    parser.add_argument("--only", nargs="+", default=[], help="rivals; default all")
    parser.add_argument("--out", type=Path, help="write the rows there, as JSON lines")
    options = parser.parse_args()
    items, queries, options.data = vectors_of(options)
    options.items = len(items)
    options.cache /= options.data
    options.cache.mkdir(parents=True, exist_ok=True)
    load_before = os.getloadavg()[0]
    runners, absent = line_up(options, items, queries)
    set_one_thread()
    with no_collection():
        singles = race(runners, options, "single_stream")
        batches = race(runners, options, f"batch({BATCH})")
    head = {
        "items": options.items, "dim": DIM, "k": K, "target_recall": TARGET,
        "data": options.data,
        "rounds": options.rounds, "sample_s": options.sample_s, "absent": absent,
        "load_average": [load_before, os.getloadavg()[0]],
        "machine": describe_machine(), "versions": describe_environment(),
    }  # fmt: skip
    rows = [row_of(one, options.items, singles, batches) for one in runners]
    batch_name = f"batch({BATCH})"
    verdicts = list(ratios(options.items, singles, batches, batch_name))
    print(report(head, rows, verdicts))  # noqa: T201  a script that is run by hand
    if options.out:
        lines = ({"kind": "head", **head}, *rows, *verdicts)
        options.out.write_text("".join(json.dumps(line) + "\n" for line in lines))


def vectors_of(options):
    """Return items (n, d), N_QUERIES queries (those given, again and again) and a name of both."""
    if options.vectors:
        with np.load(options.vectors) as held:
            items, queries = (
                np.ascontiguousarray(held[one], np.float32) for one in ("items", "queries")
            )
        name = f"{options.vectors.stem}-{hashlib.sha256(items.tobytes()).hexdigest()[:8]}"
        return items, np.resize(queries, (N_QUERIES, queries.shape[1])), name
    params = PlantedVectorsParams(
        n_items=options.items, n_queries=N_QUERIES, dim=DIM, spread=options.spread
    )
    log = planted_vectors(params)
    items, queries = (side.columns[FIELD].values for side in (log.item_fields, log.user_fields))
    return items, queries, f"n{options.items}-spread{options.spread:g}"


def line_up(options, items, queries):
    """Return the contenders, and why others are absent."""
    arena = Arena(
        items, queries, K, options.cache, N_JUDGED, TARGET, options.build_threads, options.hnsw_m
    )
    set_all_threads(arena.threads)
    arena.find_exact()
    runners, absent = [], {}
    for name, found in rivals(arena, options.only):
        say(f"{name}: {found if isinstance(found, str) else found.setting}")
        if isinstance(found, str):
            absent[name] = found
        else:
            runners.append(found)
    set_all_threads(arena.threads)
    for n_lists, length in SHAPES:
        case = zipf_case(arena, n_lists, length)
        say(case.name)
        runners += merges(case, arena, product_front(case, queries))
    for case, codewords in vector_cases(arena):
        say(case.name)
        runners += merges(case, arena, nearest_front(case, queries, codewords))
    return runners, absent


def merges(case, arena, front):
    """Yield the ways to merge the lists of a case, and the packed one with encoding before it."""
    set_one_thread()
    recall = arena.recall if case.name.startswith("vectors") else (lambda ids: None)
    packed = PackedMerger(case.packed, case.n_items)
    hidden = {n: Lists.empty(n) for n in (1, BATCH, N_JUDGED)}

    def merge(lists):
        return packed.merge(lists, None, hidden[len(lists)], K)

    ids, exact = merge(case.lists[:N_JUDGED])[0], float_merge(case, K)
    agreed, kept = recall(ids), overlap(exact.many(0, N_JUDGED)[0], ids)
    sizes = (case.packed.nbytes, packed.nbytes)
    yield contender(case, "packed", merge, *sizes, agreed, kept)
    yield contender(case, "encode + packed", merge, *sizes, agreed, kept, front)
    yield exact
    yield heap_merge(case, K)
    set_all_threads(arena.threads)


def nearest_front(case, queries, codewords):
    """Return the encoding of the method `posting_lists`: the nearest of all codewords."""
    n_lists = case.lists.shape[1]
    return lambda first, after: nearest_codes(queries[first:after], codewords, n_lists)


def product_front(case, queries, seed=0):
    """Return the paper's encoding: K linear tokens in two parts, each the nearest of 256.

    Projections and codewords are drawn by lot: the work is the paper's, the codes mean nothing.
    """
    random, n_lists = np.random.default_rng(seed), case.lists.shape[1]
    heads = random.standard_normal((DIM, n_lists * DIM), dtype=np.float32) / 8
    codewords = random.standard_normal((PARTS, DIM // PARTS, CODEWORDS), dtype=np.float32)
    half_norms = (codewords**2).sum(axis=1)[:, None] / 2  # (parts, 1, codewords)

    def encode(first, after):
        tokens = queries[first:after] @ heads
        parts = tokens.reshape(-1, PARTS, DIM // PARTS).transpose(1, 0, 2)  # (parts, n * K, d)
        nearest = np.argmax(parts @ codewords - half_norms, axis=2)
        return (nearest[0] * CODEWORDS + nearest[1]).reshape(-1, n_lists)

    return encode


def race(runners, options, scenario):
    """Return for each contender's name its QPS, round by round."""
    single = scenario == "single_stream"
    turns = {one.name: turn_of(one, options.sample_s, single) for one in runners}
    found = {one.name: [] for one in runners}
    for number in range(-1, options.rounds):  # the first warms up
        for step in range(len(runners)):
            one = runners[(number + step) % len(runners)]
            run, n_queries, slow = turns[one.name]
            if slow and number >= SLOW_ROUNDS:
                continue
            one.prepare()
            begun = time.perf_counter()
            run()
            taken = time.perf_counter() - begun
            if number >= 0:
                found[one.name].append(n_queries / taken)
        say(f"{scenario}: round {number + 1} of {options.rounds}")
    return found


def turn_of(one, sample_s, single):
    """Return a turn of about ``sample_s``, how many queries it answers, and whether it is slow."""
    one.prepare()
    if single:
        numbers = itertools.cycle(range(N_QUERIES))
        call = lambda: one.one(next(numbers))  # noqa: E731
    else:
        starts = itertools.cycle(range(0, N_QUERIES, BATCH))

        def call():
            first = next(starts)
            return one.many(first, first + BATCH)

    n_calls, taken = 1, 0.0
    while True:  # doubled until it can be read off the clock
        begun = time.perf_counter()
        for _ in range(n_calls):
            call()
        taken = time.perf_counter() - begun
        if taken > sample_s / 4:
            break
        n_calls *= 2
    call_s = taken / n_calls
    n_calls = max(1, round(sample_s / call_s))

    def run():
        for _ in range(n_calls):
            call()

    return run, n_calls * (1 if single else BATCH), call_s > SLOW_S


def say(line):
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
