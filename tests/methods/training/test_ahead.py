"""Batches made ahead: in order, drawn as they would be without it, errors in their place."""

import threading

import numpy as np
import pytest
import torch

from harness.fields import Categorical, Dense, Fields, MultiValued
from harness.interactions import Interactions
from harness.lists import Lists
from methods.batches import epoch_batches
from methods.negatives import NegativeSampler
from methods.training.ahead import convert_step, made_ahead


def test_the_order_is_the_sources():
    """For any number ahead, also beyond the length; one other thread makes all of them."""
    makers = set()

    def source(n):
        for one in range(n):
            makers.add(threading.get_ident())
            yield one

    for n_ahead in (1, 3, 50):
        makers.clear()
        assert list(made_ahead(source(20), n_ahead)) == list(range(20))
        assert len(makers) == 1
        assert threading.get_ident() not in makers
        assert list(made_ahead(source(0), n_ahead)) == []


def test_no_more_than_asked_for_is_made():
    """With two ahead, the taker of item k finds at most k + 3 begun."""
    begun = []

    def source():
        for one in range(10):
            begun.append(one)
            yield one

    for taken in made_ahead(source(), 2):
        assert len(begun) <= taken + 3


def test_an_error_comes_in_its_place():
    """What was made before it is given first."""

    def source():
        yield 1
        raise RuntimeError("no more")

    taken = made_ahead(source(), 4)
    assert next(taken) == 1
    with pytest.raises(RuntimeError, match="no more"):
        next(taken)


def test_steps_made_ahead_are_the_same_steps():
    """Batches, fields and negatives of an epoch equal those made in turn, array by array."""
    random = np.random.default_rng(5)
    n_users, n_items, n_events = 9, 30, 120
    events = Lists.from_pairs(
        np.sort(random.integers(n_users, size=n_events)),
        random.integers(n_items, size=n_events),
        n_users,
    )
    columns = {
        "age": Categorical(random.integers(7, size=n_users), 7),
        "tags": MultiValued(Lists.of([[one % 3] * (one % 2) for one in range(n_users)]), 3),
        "place": Dense(random.random((n_users, 2), np.float32)),
    }
    train = Interactions(events, n_items, user_fields=Fields(n_users, columns))

    def steps():
        sampler = NegativeSampler(train, 6, np.random.default_rng(2))
        batches = epoch_batches(train, 32, 5, np.random.default_rng(1))
        return ((batch, sampler.draw(batch.targets)) for batch in batches)

    ahead = made_ahead((convert_step(one, np.copy) for one in steps()), 3)
    for (batch, negatives), (other, others) in zip(steps(), ahead, strict=True):
        np.testing.assert_array_equal(batch.targets, other.targets)
        np.testing.assert_array_equal(batch.history.indptr, other.history.indptr)
        np.testing.assert_array_equal(batch.history.ids, other.history.ids)
        one, two = batch.fields.columns, other.fields.columns
        np.testing.assert_array_equal(one["age"].ids, two["age"].ids)
        np.testing.assert_array_equal(one["tags"].lists.ids, two["tags"].lists.ids)
        np.testing.assert_array_equal(one["place"].values, two["place"].values)
        np.testing.assert_array_equal(negatives.items, others.items)
        assert torch.equal(negatives.log_expected, others.log_expected)
        np.testing.assert_array_equal(negatives.excluded_rows, others.excluded_rows)
        np.testing.assert_array_equal(negatives.excluded_columns, others.excluded_columns)
        assert negatives.n_uniform == others.n_uniform
