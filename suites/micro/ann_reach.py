"""Which setting brings each index to an agreement with exact search, and what it then computes.

``PYTHONPATH=suites python -m micro.ann_reach`` builds every index of the CPU over one clustered
set (`planted_vectors`), raises its search parameters until ann_recall@k reaches the goal, and
prints the setting, bytes an item and inner products a query; ``--out`` keeps the rows. It times no
search: `frontier` does.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate

from harness.data.planted_vectors import PlantedVectorsParams, planted_vectors
from harness.errors import MethodError
from harness.measure.machine import commit, describe_environment, describe_machine
from methods.ann.faiss_library import load_faiss
from methods.ann.given_vectors import FIELD
from methods.ann.indexes import INDEXES, new_index

CELLS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]
WIDTHS = [128, 256, 512, 1024, 2048, 4096]
FACTORS = [2, 4, 8, 16, 32]
# name -> builds to try in order, and search parameters: the first is raised, then the next
TRIED: Mapping[str, tuple[list[dict[str, Any]], dict[str, list[int]]]] = {
    "flat": ([{}], {}),
    "torch_flat": ([{"index_precision": "bfloat16"}], {"k_factor": FACTORS}),
    "ivf": ([{}], {"nprobe": CELLS}),
    "ivf_pq": (
        [{"dims_per_block": 2}, {"dims_per_block": 1}, {"dims_per_block": 1, "bits": 10}],
        {"nprobe": CELLS[5:]},
    ),
    "ivf_pq_refine": ([{}], {"k_factor": FACTORS, "nprobe": CELLS}),
    "ivf_pq_fast_scan": ([{"dims_per_block": 2}, {"dims_per_block": 1}], {"nprobe": CELLS[5:]}),
    "ivf_pq_fast_scan_refine": ([{}], {"k_factor": FACTORS, "nprobe": CELLS}),
    "sq8": ([{}], {}),
    "sq8_refine": ([{}], {"k_factor": FACTORS}),
    "hnsw": ([{}, {"m": 32, "ef_construction": 200}], {"ef_search": WIDTHS}),
    "hnswlib": ([{}, {"m": 32, "ef_construction": 200}], {"ef_search": WIDTHS}),
    "scann": ([{}], {"reorder": [300, 1000, 3000], "leaves_to_search": CELLS[3:10]}),
}


# of a row
COLUMNS = (
    "index", "setting", "ann_recall", "reached", "products_a_query", "bytes_an_item", "build_s",
)  # fmt: skip


def settings(grid):
    """Yield search settings: the last parameter rises fastest, the first one last."""
    if not grid:
        yield {}
        return
    (name, values), *others = grid.items()
    for value in values:
        for rest in settings(dict(others)):
            yield {name: value, **rest}


def agreement(found, exact):
    """Return the mean share of the exact lists that was found."""
    return float(np.mean([np.isin(b, a).mean() for a, b in zip(found, exact, strict=True)]))


def reach(name, items, queries, exact, k, goal):
    """Return rows of the table: per build, the first setting that reaches the goal, or the best."""
    builds, grid = TRIED[name]
    rows = []
    for build in builds:
        kind, start = INDEXES[name], time.perf_counter()
        index = new_index(name, kind.build(**build), device="cpu", seed=0)
        index.train(items)
        index.add(items)
        build_s, best = time.perf_counter() - start, (-1.0, {}, 0)
        for setting in settings(grid):
            index.tune(kind.search(**setting))
            before = index.distances
            share = agreement(index.search(queries, k).ids, exact)
            work = (index.distances - before) / len(queries)
            best = max(best, (share, setting, work), key=lambda one: one[0])
            if share >= goal:
                break
        share, setting, work = best
        said = " ".join(f"{key}={value}" for key, value in [*build.items(), *setting.items()])
        a_item = index.nbytes / len(items)
        rows.append([name, said, share, share >= goal, work or None, a_item, build_s])
        if share >= goal:
            break
    return rows


def main():
    """Print the table, and keep it where asked, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--k", type=int, default=100)
    parser.add_argument("--goal", type=float, default=0.99)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--indexes", nargs="*", default=list(TRIED), choices=list(TRIED))
    parser.add_argument("--out", type=Path, help="a file to which rows are appended, as JSON lines")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load_faiss().omp_set_num_threads(options.threads)
    log = planted_vectors(PlantedVectorsParams(n_items=options.items, n_queries=options.queries))
    items = log.item_fields.columns[FIELD].values
    queries = log.user_fields.columns[FIELD].values
    flat = new_index("flat", INDEXES["flat"].build(), device="cpu", seed=0)
    flat.add(items)
    exact = flat.search(queries, options.k).ids
    rows, names = [], ("items", "queries", "k", "goal", "threads")
    told = {name: getattr(options, name) for name in names}
    told |= {"machine": describe_machine(), "environment": describe_environment()}
    told |= {"commit": commit()}
    for name in options.indexes:
        try:
            found = reach(name, items, queries, exact, options.k, options.goal)
        except MethodError as error:
            found = [[name, str(error), None, False, None, None, None]]
        rows += found
        sys.stdout.write(tabulate(found, tablefmt="plain", floatfmt=".4g") + "\n")
        sys.stdout.flush()
        if options.out:
            lines = (json.dumps({**dict(zip(COLUMNS, row, strict=True)), **told}) for row in found)
            with options.out.open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
    headers = ["index", "setting", f"ann_recall@{options.k}", "reached", "products a query",
               "bytes an item", "build s"]  # fmt: skip
    sys.stdout.write("\n" + tabulate(rows, headers, floatfmt=".4g", missingval="-") + "\n")


if __name__ == "__main__":
    main()
