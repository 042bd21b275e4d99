"""Quality of one operating point: every test query answered once, untimed, and scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.data.ground_truth import exact_search
from harness.interactions import HeldOut, Queries
from harness.lists import IntArray
from harness.metrics.evaluate import ann_recall, evaluate, evaluate_run, list_faults
from harness.metrics.metric import Metric, parse_metric
from harness.metrics.ties import tie_bounds
from harness.retriever import Capability, Retriever
from harness.run.trial_spec import TrialSpec
from harness.seeding import derive_seed, generator
from harness.stats import bootstrap_interval
from harness.topk import PAD_ID, TopK, concatenate

BATCH = 256  # queries in one call of the accuracy pass
EXACT_QUERIES = 1000  # queries that are also scored exhaustively, at most
TIED_ENTRIES = 20_000_000  # entries of the lists that ties are looked for in, at most


@dataclass(frozen=True, slots=True)
class Quality:
    """What the answers are worth.

    Attributes
    ----------
    per_query : metric -> float64 (n,), or (n_exact,) where it needs exhaustive scores.
    means, intervals : metric -> mean over queries, and its 95 % bootstrap interval.
    faults : what makes the answers INVALID.
    fill_rate, tied_lists : shares, see `harness.metrics.faults`.
    ties : metric -> its mean when tied items stand worst, in all orders, and best; empty where no
        scores tie.
    exact_rows : int64 (n_exact,), the queries that were scored exhaustively.
    """

    per_query: Mapping[str, npt.NDArray[np.float64]]
    means: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    faults: tuple[str, ...]
    fill_rate: float
    tied_lists: float
    ties: Mapping[str, tuple[float, float, float]]
    exact_rows: IntArray


def answer_all(retriever: Retriever, queries: Queries, k: int) -> TopK:
    """Return the answers to all queries, in batches of bounded size."""
    starts = range(0, len(queries), BATCH)
    blocks = (np.arange(start, min(start + BATCH, len(queries))) for start in starts)
    return concatenate([retriever.search(queries.take(rows), k) for rows in blocks])


def assess(
    spec: TrialSpec, retriever: Retriever, test: HeldOut, n_items: int, answers: TopK
) -> Quality:
    """Score the answers against what is relevant, and against the method's exhaustive score."""
    metrics = [parse_metric(name) for name in spec.metrics]
    faults = list_faults(answers, n_items)
    n_shown = int(np.isin(*_keys(answers, test.queries, n_items)).sum())
    reasons = [*faults.reasons, *([f"{n_shown} hidden items returned"] if n_shown else [])]
    relevance = [one for one in metrics if one.scope == "query" and not one.needs_exact]
    per_query = dict(evaluate(relevance, answers.ids, test.relevant, n_items))
    agreement = [one for one in metrics if one.needs_exact]
    exact_rows = np.zeros(0, np.int64)
    if agreement and Capability.SCORE in retriever.capabilities:
        rows = sample_rows(len(answers), EXACT_QUERIES, generator(spec.seed, "exact"))
        exact_rows = rows
        exact = exact_search(
            retriever.score, test.queries.take(rows), n_items, spec.k, answers.ids[rows]
        )
        for one in agreement:
            per_query[str(one)] = ann_recall(
                answers.ids[rows], exact.scores_of_returned, exact.best, one.k
            )
    ties = {}
    if faults.tied_lists and not reasons:
        ties = bounds_over_ties(spec, retriever, relevance, test, n_items)
    seed = derive_seed(spec.seed, "bootstrap")
    whole = [one for one in metrics if one.scope == "run"]
    means = {name: float(values.mean()) for name, values in per_query.items()}
    means.update(evaluate_run(whole, answers.ids, n_items))
    return Quality(
        per_query,
        {name: means[name] for name in spec.metrics if name in means},
        {name: bootstrap_interval(values, seed=seed) for name, values in per_query.items()},
        tuple(reasons),
        faults.fill_rate,
        faults.tied_lists,
        ties,
        exact_rows,
    )


def bounds_over_ties(
    spec: TrialSpec,
    retriever: Retriever,
    metrics: Sequence[Metric],
    test: HeldOut,
    n_items: int,
) -> dict[str, tuple[float, float, float]]:
    """Return what each metric would be with tied items in the worst, any and the best order.

    A sample of queries is answered again with lists long enough to hold all that ties with the
    k-th item; the longer they must be, the smaller the sample.
    """
    rows = sample_rows(len(test), EXACT_QUERIES, generator(spec.seed, "ties"))
    depth = min(2 * spec.k, n_items)
    while True:
        rows = rows[: max(1, TIED_ENTRIES // depth)]
        ranked = answer_all(retriever, test.queries.take(rows), depth)
        last = ranked.scores[:, -1]
        is_open = (last == ranked.scores[:, spec.k - 1]) & (ranked.ids[:, -1] != PAD_ID)
        if depth == n_items or not is_open.any():
            break
        depth = min(8 * depth, n_items)
    bounds = tie_bounds(metrics, ranked, test.relevant.take(rows), n_items)
    return {
        name: (float(one.low.mean()), float(one.expected.mean()), float(one.high.mean()))
        for name, one in bounds.items()
    }


def _keys(answers: TopK, queries: Queries, n_items: int) -> tuple[IntArray, IntArray]:
    """Return each (query, item) that was returned, and each that was hidden, as one number."""
    base = np.arange(len(answers), dtype=np.int64)[:, None] * (n_items + 1)
    returned = (base + answers.ids)[answers.ids != PAD_ID]
    return returned, base.ravel()[queries.hidden.rows] + queries.hidden.ids


def sample_rows(n: int, wanted: int, random: np.random.Generator) -> IntArray:
    """Return ``wanted`` of n rows in random order, all of them when ``wanted`` is 0 or above n."""
    return random.permutation(n)[: wanted or n].astype(np.int64)
