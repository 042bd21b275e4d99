"""Codes near those in use, against all codes."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import MethodError
from methods.sparcode.index.neighbours import neighbours_of
from methods.sparcode.model.codebooks import FAR


def brute_force(used, books, how_many):
    """Return the nearest codes of each code in use, over all codes of its token."""
    _, n_parts, n_codewords, _ = books.shape
    words = list(itertools.product(range(n_codewords), repeat=n_parts))
    found = set()
    for code in used.tolist():
        token, place = divmod(code, len(words))

        def distance(word, own=words[place], book=books[token]):
            return sum(
                ((book[m, a] - book[m, b]) ** 2).sum()
                for m, (a, b) in enumerate(zip(word, own, strict=True))
            )

        usable = [
            number
            for number, word in enumerate(words)
            if number != place
            and all(abs(books[token, m, w]).max() < FAR for m, w in enumerate(word))
        ]
        ranked = sorted(usable, key=lambda number: (distance(words[number]), number))
        found |= {token * len(words) + number for number in ranked[:how_many]}
    return sorted(found - set(used.tolist()))


@settings(max_examples=150, deadline=None)
@given(
    n_parts=st.integers(1, 3),
    n_codewords=st.integers(1, 5),
    how_many=st.integers(1, 30),
    retired=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_neighbours_are_the_nearest_codes(n_parts, n_codewords, how_many, retired, seed):
    """Whole numbers, so that many distances tie; equal codewords; words that are retired."""
    random = np.random.default_rng(seed)
    books = random.integers(-2, 3, (2, n_parts, n_codewords, 2)).astype(np.float32)
    if retired and n_codewords > 1:
        books[:, :, -1] = FAR
    words = list(itertools.product(range(n_codewords), repeat=n_parts))
    usable = [
        n
        for n, word in enumerate(words)
        if not (retired and n_codewords - 1 in word and n_codewords > 1)
    ]
    per_token = random.choice(usable, (2, 4)) + np.array([[0], [len(words)]])
    used = np.unique(per_token).astype(np.int64)
    found = neighbours_of(used, n_codewords, n_parts, books, how_many)
    assert found.tolist() == brute_force(used, books, how_many)


def test_a_case_by_hand():
    """Two codebooks of words at 0, 1 and 10: of code (0, 0) the nearest are (0, 1) and (1, 0)."""
    books = np.tile(np.array([0.0, 1.0, 10.0]).reshape(1, 1, 3, 1), (1, 2, 1, 1))
    assert neighbours_of(np.array([0]), 3, 2, books, 2).tolist() == [1, 3]
    assert neighbours_of(np.array([0, 1]), 3, 2, books, 1).tolist() == []  # each is the other's
    assert neighbours_of(np.array([0]), 3, 2, books, 0).tolist() == []
    assert neighbours_of(np.zeros(0, np.int64), 3, 2, books, 2).tolist() == []


def test_the_memory_stays_within_the_budget():
    """Of 512 words in 64 dimensions, all in use: at once their differences are 134 MB, here 5."""
    random = np.random.default_rng(0)
    books, used = random.standard_normal((1, 1, 512, 64)), np.arange(0, 512, 2)
    whole = neighbours_of(used, 512, 1, books, 3)
    tracemalloc.start()
    found = neighbours_of(used, 512, 1, books, 3, memory_budget_mb=5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6
    np.testing.assert_array_equal(found, whole)
    with pytest.raises(MethodError, match=r"memory_budget_mb = 0\.01 has no room .* 512 codewords"):
        neighbours_of(used, 512, 1, books, 3, memory_budget_mb=0.01)
