"""First look: what only holds before a method was searched, cold start and repeated queries."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.interactions import Queries
from harness.measure.clock import Clock
from harness.measure.cold import N_COLD, Cold, measure_cold
from harness.measure.memory import room_bytes
from harness.measure.repeats import Repeats, filled_by_batch, measure_repeats
from harness.measure.sending import Inbox, Target
from harness.measure.warm_up import warm_up
from harness.retriever import Retriever
from harness.run.trial_spec import TrialSpec
from harness.seeding import generator

N_BATCHED = 128  # and until it is asked whether a batch made it remember
N_NEW = 400  # queries that are kept from the method until it is asked whether it remembers any


@dataclass(frozen=True, slots=True)
class FirstLook:
    """What was found before the accuracy pass of one search setting.

    Attributes
    ----------
    cold : None for every search setting but the first, as the method is warm then.
    repeats : of this setting. Only in the first are the queries new to the method.
    worst_ratio : the highest ratio of `repeats` of this and every earlier setting, or None.
    n_errors, first_error : queries that raised, and how the first did.
    """

    cold: Cold | None
    repeats: Repeats
    worst_ratio: float | None
    n_errors: int
    first_error: str | None


def look_first(
    spec: TrialSpec,
    retriever: Retriever,
    queries: Queries,
    clock: Clock,
    previous: FirstLook | None = None,
    empty_caches: Callable[[], None] | None = None,
) -> FirstLook:
    """Measure the cold start, then whether queries that were never sent are slower than repeated.

    Parameters
    ----------
    previous : the look of the search setting before, None for the first of a trial.
    empty_caches : see `harness.measure.repeats.measure_repeats`.
    """
    inbox = Inbox(spec.k)
    order = generator(spec.seed, "first look").permutation(len(queries))
    n_cold = max(1, min(N_COLD, len(queries) // 3))
    early = Target(retriever.search, queries.take(order[:n_cold]), spec.k, clock)
    cold = measure_cold(early, inbox) if previous is None else None
    singles = [early.queries.take(np.array([row])) for row in range(n_cold)]
    warm_up(early, singles, inbox, 0.0)
    new = Target(retriever.search, queries.take(order[n_cold:][:N_NEW]), spec.k, clock)
    repeats = measure_repeats(new, inbox, empty_caches, room_bytes(spec.memory_limit_bytes))
    last = Target(
        retriever.search, queries.take(order[n_cold + N_NEW :][:N_BATCHED]), spec.k, clock
    )
    batched = filled_by_batch(last, inbox, empty_caches)
    if batched is not None:  # found nothing when asked one by one, and something after a batch
        repeats = dataclasses.replace(repeats, ratio=max(batched, repeats.ratio or 0.0))
    before = None if previous is None else previous.worst_ratio
    known = [one for one in (before, repeats.ratio) if one is not None]
    worst = max(known, default=None)
    return FirstLook(cold, repeats, worst, inbox.n_errors, inbox.first_error)
