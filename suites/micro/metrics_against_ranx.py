"""Print our rate of evaluation, ranx's, and the ratio, measured in turns in one process.

Run as ``PYTHONPATH=suites python -m micro.metrics_against_ranx`` with the ``dev`` extra installed.
One thread each. ranx gets its dictionaries built beforehand, outside the clock; both are warmed up.
"""

import argparse
import statistics
import time

import numba
import numpy as np
import ranx

from harness.metrics.evaluate import evaluate
from harness.metrics.metric import parse_metric
from micro.tracked.metrics import METRICS, N_ITEMS, make_run


def main():
    """Measure in turns and print the median rates, their ratio and the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--queries", type=int, default=100_000, help="ours; default 100,000")
    parser.add_argument("--ranx-queries", type=int, default=5_000, help="ranx's; default 5,000")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each; default 7")
    options = parser.parse_args()
    numba.set_num_threads(1)
    ids, relevant = make_run(options.queries)
    few = relevant.take(np.arange(options.ranx_queries))
    metrics = [parse_metric(name) for name in METRICS]
    run, qrels = as_ranx(ids[: options.ranx_queries], few)

    def ours():
        return evaluate(metrics, ids, relevant, N_ITEMS)

    def theirs():
        return ranx.evaluate(qrels, run, METRICS, return_mean=False, threads=1)

    own, other = ours(), theirs()  # compiles both
    n = options.ranx_queries
    difference = max(np.abs(own[name][:n] - other[name]).max() for name in METRICS)
    times = [(clocked(ours), clocked(theirs)) for _ in range(options.rounds)]
    own_s, other_s = (statistics.median(side) for side in zip(*times, strict=True))
    own_rate, other_rate = options.queries / own_s, n / other_s
    lines = (
        f"{len(METRICS)} values a query, lists of {ids.shape[1]}, one thread",
        f"median of {options.rounds} turns; largest difference {difference:.1e}",
        f"ours  {own_rate:12,.0f} queries/s   {options.queries:,} queries in {own_s:.4f} s",
        f"ranx  {other_rate:12,.0f} queries/s   {n:,} queries in {other_s:.4f} s",
        f"ratio {own_rate / other_rate:12.1f}",
    )
    print("\n".join(lines))  # noqa: T201  a script that is run by hand


def as_ranx(ids, relevant):
    """Return ranx's run and judgements; scores fall with rank, so there are no ties.

    Names are padded because ranx sorts queries by name.
    """
    width = ids.shape[1]
    run = {
        f"q{number:09}": {f"d{item}": float(width - rank) for rank, item in enumerate(row)}
        for number, row in enumerate(ids.tolist())
    }
    qrels = {
        f"q{number:09}": dict.fromkeys((f"d{item}" for item in relevant.row(number).tolist()), 1)
        for number in range(len(relevant))
    }
    return ranx.Run(run), ranx.Qrels(qrels)


def clocked(work):
    """Return the seconds that ``work()`` takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
