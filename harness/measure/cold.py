"""Cold start: what the first queries after a build take, before anything is warm."""

from dataclasses import dataclass

import numpy as np

from harness.measure.sending import Inbox, Target, no_collection, send

N_COLD = 100


@dataclass(frozen=True, slots=True)
class Cold:
    """Seconds of the first query, and of the first 100 together; None where there are fewer."""

    first_s: float
    first_100_s: float | None


def measure_cold(target: Target, inbox: Inbox) -> Cold:
    """Send the target's queries, at most 100 of them and at least one, one after another."""
    n = min(N_COLD, len(target.queries))
    calls = [target.queries.take(np.array([row])) for row in range(n)]
    with no_collection():
        readings, answers = send(target.search, calls, target.k, target.clock.now_ns)
    inbox.take([call.user_ids for call in calls], answers)
    first_s, all_s = (readings[1] - readings[0]) * 1e-9, (readings[-1] - readings[0]) * 1e-9
    return Cold(first_s, all_s if n == N_COLD else None)
