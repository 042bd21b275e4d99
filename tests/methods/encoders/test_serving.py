"""The compiled query tower against torch's modules, alone and in company."""

import numpy as np
import pytest
import torch

from harness.fields import Categorical, Dense, Fields, MultiValued
from harness.lists import Lists
from methods.encoders.query_tower import QueryTower
from methods.encoders.serving import CompiledTower, WeightPacker, history_limit

N_ITEMS, WHOLE = 40, history_limit(ordered=False, max_history=1)


def some_fields(n, kinds, random):
    """Return n rows of the fields named; the first row's tags are none."""
    tags = [[], *(random.integers(5, size=one % 4).tolist() for one in range(n - 1))][:n]
    columns = {
        "group": Categorical(random.integers(3, size=n), 3),
        "tags": MultiValued(Lists.of(tags), 5),
        "vector": Dense(random.normal(size=(n, 7)).astype(np.float32)),
    }
    return Fields(n, {name: columns[name] for name in kinds}) if kinds else None


def some_histories(n, random):
    """Return n histories of 0, 1, 2 ... items; an item may be there twice."""
    return Lists.of([random.integers(N_ITEMS, size=one).tolist() for one in range(n)])


KINDS = [(), ("group",), ("tags",), ("vector",), ("vector", "group", "tags")]


def towers(kinds, dim=20, hidden=33, seed=0):
    """Return a random tower of odd sizes, the same compiled, and the table of items."""
    torch.manual_seed(seed)
    schema = some_fields(1, kinds, np.random.default_rng(0))
    tower = QueryTower(schema, dim, hidden, "cpu").eval()
    table = torch.randn(N_ITEMS, dim)
    return tower, CompiledTower(tower, schema, table), table


@pytest.mark.parametrize("kinds", KINDS, ids=str)
def test_vectors_are_those_of_the_tower(kinds):
    """Every kind of field, histories of none to ten items: torch's float64 within 1e-5."""
    random = np.random.default_rng(1)
    tower, compiled, table = towers(kinds)
    history, fields = some_histories(11, random), some_fields(11, kinds, random)
    with torch.inference_mode():
        expected = tower.double()(history, fields, table.double()).numpy()
    np.testing.assert_allclose(
        compiled.vectors(history, fields, WHOLE), expected, rtol=1e-5, atol=1e-5
    )


def test_only_the_last_items_count():
    """A limit of three is the same, bit for bit, as a history of the last three."""
    _, compiled, _ = towers(())
    history = some_histories(9, np.random.default_rng(2))
    np.testing.assert_array_equal(
        compiled.vectors(history, None, 3), compiled.vectors(history.tail(3), None, WHOLE)
    )
    assert history_limit(ordered=True, max_history=3) == 3


def test_a_query_has_the_same_bits_in_any_company():
    """Alone, in a batch and in a batch of another size."""
    random = np.random.default_rng(3)
    _, compiled, _ = towers(KINDS[-1])
    history, fields = some_histories(30, random), some_fields(30, KINDS[-1], random)
    together = compiled.vectors(history, fields, WHOLE)
    for size in (1, 2, 3, 5, 7):
        for first in range(0, 30, size):
            rows = np.arange(first, min(first + size, 30))
            some = compiled.vectors(history.take(rows), fields.take(rows), WHOLE)
            np.testing.assert_array_equal(some, together[rows])


def test_arrays_that_may_not_be_written_are_taken():
    """Those of a mapped file, for instance; and those with steps."""
    _, compiled, _ = towers(("group",))
    ids = np.arange(12)[::2]
    group = np.broadcast_to(np.array([1]), 2)
    ids.flags.writeable = False
    history = Lists(np.array([0, 2, 6]), ids)
    found = compiled.vectors(history, Fields(2, {"group": Categorical(group, 3)}), WHOLE)
    plain = Lists.of([[0, 2], [4, 6, 8, 10]])
    again = compiled.vectors(plain, Fields(2, {"group": Categorical(np.ones(2, int), 3)}), WHOLE)
    np.testing.assert_array_equal(found, again)


@pytest.mark.parametrize("bad", [-1, N_ITEMS])
def test_an_unknown_item_is_refused(bad):
    """With the query that has it, not read from beyond the table."""
    _, compiled, _ = towers(())
    with pytest.raises(ValueError, match=r"query 1: its history has an item outside 0\.\.39"):
        compiled.vectors(Lists.of([[0], [1, bad]]), None, WHOLE)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (None, "field 'group' of 1 queries is None, expected Categorical"),
        (Fields(1, {"group": Dense(np.zeros((1, 2), np.float32))}), "expected Categorical"),
        (Fields(1, {"group": Categorical(np.array([3]), 9)}), r"query 0: field 'group' has an id"),
    ],
)
def test_fields_that_training_did_not_have_are_refused(fields, message):
    """A column that is missing, of another kind, or with a value beyond those of training."""
    _, compiled, _ = towers(("group",))
    with pytest.raises(ValueError, match=message):
        compiled.vectors(Lists.of([[0]]), fields, WHOLE)


def test_vectors_of_another_length_are_refused():
    """Seven numbers in training, six in the query."""
    _, compiled, _ = towers(("vector",))
    fields = Fields(1, {"vector": Dense(np.zeros((1, 6), np.float32))})
    with pytest.raises(ValueError, match="has vectors of 6, expected 7"):
        compiled.vectors(Lists.of([[0]]), fields, WHOLE)


def test_packed_arrays_begin_on_cache_lines_and_are_counted():
    """3 and 17 numbers of 4 bytes: places 0 and 16, 80 bytes."""
    packer = WeightPacker()
    places = packer.add(torch.full((3,), 2.0)), packer.add(torch.ones(17, dtype=torch.float64))
    packed = packer.packed()
    assert places == (0, 16)
    assert packed.ctypes.data % 64 == 0
    assert packed.sum() == 3 * 2 + 17
    assert packer.nbytes == 80
