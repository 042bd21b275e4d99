"""ItemKNN: similarities by hand, and against dense algebra for every variant."""

import itertools
import math

import numpy as np
import pytest

from harness.interactions import Interactions, Queries
from harness.lists import Lists
from harness.params import parse_params
from harness.topk import select_top_k
from methods.classical.item_knn import ItemKNN, ItemKNNParams

# users 0 and 1 met items 0 and 1, user 2 items 1 and 2, user 3 item 3 alone
LOG = Interactions(Lists.of([[0, 1], [1, 0], [2, 1], [3]]), 4)


def fitted(log, **params):
    method = ItemKNN(ItemKNNParams(**params))
    method.fit(log)
    method.build()
    return method


def queries(history, hidden=None):
    n = len(history)
    return Queries(
        np.full(n, -1), Lists.of(history), Lists.empty(n) if hidden is None else Lists.of(hidden)
    )


def random_log(n_users=60, n_items=25, seed=0):
    random = np.random.default_rng(seed)
    lists = [random.integers(0, n_items, random.integers(0, 9)).tolist() for _ in range(n_users)]
    return Interactions(Lists.of(lists), n_items)


@pytest.mark.parametrize("of", ["scored", "seen"])
def test_a_high_power_leaves_each_normalised_list_its_best(of):
    """s(1,0) : s(1,2) = 2 / sqrt(6) : 1 / sqrt(3) = sqrt(2) : 1, to the power 400 2^200 : 1.

    Both powers are 0 in single precision; the shares of list 1 are 1 and 2^-200, which is 0.
    """
    method = fitted(LOG, power=400.0, normalise=True, neighbours_of=of)
    scores = method.score(queries([[1], [0]]), np.arange(4))
    seen = [1.0, 0.0] if of == "seen" else [1.0, 1.0]  # items 0 and 2 have neighbour 1 alone
    assert scores[0, [0, 2]].tolist() == seen
    assert scores[1, 1] == 1.0
    assert not np.isnan(scores).any()


def test_cosine_by_hand():
    """Item 1 has 3 users, 0 two, 2 one: s(1,0) = 2 / sqrt(3 * 2), s(1,2) = 1 / sqrt(3 * 1)."""
    found = fitted(LOG).search(queries([[1]], [[1]]), 3)
    assert found.ids.tolist() == [[0, 2, -1]]
    expected = [2 / math.sqrt(6), 1 / math.sqrt(3), -math.inf]
    assert found.scores[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"similarity": "jaccard"}, [2 / 3, 1 / 3]),
        ({"similarity": "dot"}, [2.0, 1.0]),
        ({"shrinkage": 2.0}, [2 / (math.sqrt(6) + 2), 1 / (math.sqrt(3) + 2)]),
        ({"power": 2.0}, [4 / 6, 1 / 3]),
        ({"weighting": "unit_users"}, [1.0 / math.sqrt(1.5 * 1.0), 0.5 / math.sqrt(1.5 * 0.5)]),
        # a is the share of the scored item's own count where the lists are its own: n_0 2, n_2 1
        ({"similarity": "asymmetric_cosine", "asymmetry": 1.0}, [2 / 2, 1 / 1]),
        ({"similarity": "asymmetric_cosine", "asymmetry": 0.0}, [2 / 3, 1 / 3]),
        # item 0 has only neighbour 1, item 2 only neighbour 1: each list sums to 1
        ({"normalise": True}, [1.0, 1.0]),
        ({"normalise": True, "neighbours_of": "seen", "similarity": "dot"}, [2 / 3, 1 / 3]),
    ],
)
def test_variants_by_hand(params, expected):
    """Scores of items 0 and 2 for a user who met item 1."""
    scores = fitted(LOG, **params).score(queries([[1]]), np.array([0, 2]))
    assert scores[0].tolist() == pytest.approx(expected)


def test_neighbours_of_scored_and_of_seen_differ():
    """With one neighbour each, 2's is 1, but 1's is 0: only lists of scored items give 2 for 1."""
    of_scored = fitted(LOG, n_neighbours=1).search(queries([[1]], [[1]]), 2)
    of_seen = fitted(LOG, n_neighbours=1, neighbours_of="seen").search(queries([[1]], [[1]]), 2)
    assert of_scored.ids.tolist() == [[0, 2]]
    assert of_seen.ids.tolist() == [[0, -1]]


def test_centred_scores_every_item():
    """Deviation from means plus own mean: item 3, met by 1 of 4 users, scores 1/4 for anybody.

    Item 0 has the neighbour 1 (normalised to 1, mean 3/4) and mean 2/4: for a user who met item 1
    1 - 3/4 + 2/4 = 3/4, for one who met nothing 0 - 3/4 + 2/4 = -1/4.
    """
    method = fitted(LOG, normalise=True, centred=True)
    scores = method.score(queries([[1], []]), np.array([0, 3]))
    assert scores.tolist() == [pytest.approx([0.75, 0.25]), pytest.approx([-0.25, 0.25])]
    assert (method.search(queries([[1], []]), 4).ids >= 0).all()


def dense_scores(log, params, history):
    """Return what ItemKNN stands for, by dense algebra in float64: (n, n_items)."""
    n_items = log.n_items
    met = np.zeros((log.n_users, n_items))
    met[log.user_ids, log.item_ids] = 1
    per_user = met.sum(1, keepdims=True)
    weight = {
        "none": np.ones_like(per_user),
        "unit_users": 1 / np.sqrt(np.maximum(per_user, 1)),
        "tfidf": np.log(n_items / (1 + np.maximum(per_user, 1))),
        "bm25": np.log(n_items / (1 + np.maximum(per_user, 1))),
    }[params.weighting]
    used = met * weight
    if params.weighting == "bm25":
        lengths = met.sum(0)
        used = used * (2.2 / (1.2 * (0.25 + 0.75 * lengths / lengths.mean()) + 1))
    dot = used.T @ used
    norms = np.maximum(dot.diagonal(), 1e-300)
    a = params.asymmetry if params.similarity == "asymmetric_cosine" else 0.5
    divisor = {
        "jaccard": norms[:, None] + norms - dot,
        "dot": np.ones_like(dot),
    }.get(params.similarity, np.outer(norms**a, norms ** (1 - a)))
    similar = dot / (divisor + params.shrinkage)
    np.fill_diagonal(similar, 0)
    for row in similar:  # the best n by value, then id
        row[np.lexsort((np.arange(n_items), -row.astype(np.float32)))[params.n_neighbours :]] = 0
    similar **= params.power
    if params.normalise:
        similar /= np.maximum(similar.sum(1, keepdims=True), 1e-300)
    to_scored = similar.T if params.neighbours_of == "scored" else similar  # (seen, scored)
    asked = np.zeros((len(history), n_items))
    asked[history.rows, history.ids] = 1
    if params.centred:
        mean = met.mean(0)
        return (asked - mean) @ to_scored + mean
    return np.where(asked @ (to_scored > 0) > 0, asked @ to_scored, -np.inf)


VARIANTS = [
    {"similarity": one, "neighbours_of": of, "n_neighbours": n}
    for one, of, n in itertools.product(
        ("cosine", "jaccard", "dot", "asymmetric_cosine"), ("scored", "seen"), (3, 100)
    )
] + [
    {"weighting": one, "normalise": normalise, "neighbours_of": of, "centred": centred}
    for one, normalise, of, centred in itertools.product(
        ("none", "unit_users", "tfidf", "bm25"), (True, False), ("scored", "seen"), (True, False)
    )
] + [
    {"asymmetry": 0.2, "similarity": "asymmetric_cosine", "power": 0.5, "shrinkage": 3.0},
    {"similarity": "jaccard", "shrinkage": 3.0},
]  # fmt: skip


@pytest.mark.parametrize("params", VARIANTS, ids=str)
def test_agrees_with_dense_algebra(params):
    """Every variant scores as the formula says, repeated events in log and history included."""
    log = random_log()
    history = Lists.of([[0, 3, 3], [], [7], list(range(25))])
    scores = fitted(log, **params).score(queries(history_lists(history)), np.arange(25))
    expected = dense_scores(log, ItemKNNParams(**params), history)
    assert scores == pytest.approx(expected.astype(np.float32), rel=1e-4, abs=1e-6)


def history_lists(history):
    return [history.row(number).tolist() for number in range(len(history))]


@pytest.mark.parametrize(
    "params", [{}, {"normalise": True, "centred": True}, {"similarity": "dot"}]
)
@pytest.mark.parametrize("k", [1, 5, 25])
def test_search_is_the_best_of_score(params, k):
    """Lists equal the exact selection from score(), to the last bit, ties included."""
    random = np.random.default_rng(4)
    log = random_log(seed=1)
    history = [random.integers(0, 25, n).tolist() for n in (0, 1, 3, 9, 20)]
    asked = queries(history, [sorted(set(one)) for one in history])
    method = fitted(log, **params)
    expected = select_top_k(method.score(asked, np.arange(25)), k, asked.hidden)
    found = method.search(asked, k)
    assert np.array_equal(found.ids, expected.ids)
    assert np.array_equal(found.scores, expected.scores)


def test_a_batch_is_its_queries_one_by_one():
    """No query sees what another left behind."""
    random = np.random.default_rng(5)
    asked = queries([random.integers(0, 25, 5).tolist() for _ in range(8)])
    method = fitted(random_log(seed=2))
    together = method.search(asked, 6)
    for number in range(8):
        alone = method.search(asked.take(np.array([number])), 6)
        assert np.array_equal(alone.ids[0], together.ids[number])


def test_counters_count_the_work():
    """A history of items 1 and 3: two postings in the list of 1, none in that of 3."""
    method = fitted(LOG)
    assert method.counters() == {"postings": 0, "candidates": 0}
    method.search(queries([[1, 3]]), 2)
    assert method.counters() == {"postings": 2, "candidates": 2}


def test_footprint_counts_the_lists():
    """Four postings (0-1 and 1-2, both ways) of 8 bytes, 5 pointers of 8, 4 offsets of 4."""
    footprint = fitted(LOG).footprint()
    assert footprint.index_bytes == 4 * 8 + 5 * 8 + 4 * 4
    assert footprint.details["postings"] == 4


def test_a_read_only_log_will_do():
    """Arrays that may not be written, as from a mapped file, are copied where needed."""
    log = random_log()
    log.events.ids.flags.writeable = False
    fitted(log).search(
        Queries(np.zeros(1, np.int64), log.events.take(np.array([0])), Lists.empty(1)), 2
    )


def test_a_log_without_events_finds_nothing():
    """No neighbours, so every list is padding."""
    found = fitted(Interactions(Lists.empty(3), 4)).search(queries([[0, 1]]), 2)
    assert found.ids.tolist() == [[-1, -1]]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"n_neighbours": 0}, "n_neighbours = 0; expected at least 1"),
        ({"shrinkage": -1.0}, "shrinkage = -1.0; expected at least 0"),
        ({"shrinkage": math.nan}, "shrinkage = nan must be finite"),
        ({"power": 0.0}, "power = 0.0; expected more than 0"),
        ({"asymmetry": 1.5}, "asymmetry = 1.5; expected 0 to 1"),
        ({"similarity": "dot", "shrinkage": 1.0}, "changes nothing of the similarity 'dot'"),
        ({"similarity": "cosin"}, "did you mean 'cosine'"),
        ({"neighbours": 5}, "unknown parameter 'neighbours'; did you mean"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(given, message):
    """Each says what was given and what was expected."""
    with pytest.raises(ValueError, match=message):
        parse_params(ItemKNNParams, given)
