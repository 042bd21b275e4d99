"""What tests of classical methods share: small random logs, questions, and the dense log."""

import numpy as np
import pytest

from harness.interactions import Interactions, Queries
from harness.lists import Lists

N_USERS, N_ITEMS = 60, 25


@pytest.fixture
def log():
    """Return users of 0 to 8 events, some of them repeated."""
    random = np.random.default_rng(0)
    lists = [random.integers(0, N_ITEMS, random.integers(0, 9)).tolist() for _ in range(N_USERS)]
    return Interactions(Lists.of(lists), N_ITEMS)


@pytest.fixture
def met(log):
    """Return the log as 0 and 1, float64 (n_users, n_items)."""
    met = np.zeros((N_USERS, N_ITEMS))
    met[log.user_ids, log.item_ids] = 1
    return met


@pytest.fixture
def asked():
    """Return questions of strangers: repeats, one without history, one that knows everything."""
    histories = [[0, 3, 3], [], [7], list(range(N_ITEMS)), [5, 1, 20, 11]]
    hidden = [sorted(set(one)) for one in histories]
    return Queries(np.full(len(histories), -1), Lists.of(histories), Lists.of(hidden))


@pytest.fixture
def asked_met(asked):
    """Return the questions' histories as 0 and 1, float64 (n, n_items)."""
    met = np.zeros((len(asked), N_ITEMS))
    met[asked.history.rows, asked.history.ids] = 1
    return met
