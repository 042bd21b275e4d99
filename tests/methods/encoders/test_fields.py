"""Fields become vectors: each kind of column by hand."""

import numpy as np
import torch

from harness.fields import Categorical, Dense, Fields, MultiValued
from harness.lists import Lists
from methods.encoders.fields import FieldEmbeddings
from methods.encoders.pooling import mean_of_bags
from methods.encoders.tensors import Bags, columns_of

FIELDS = Fields(
    3,
    {
        "age.group": Categorical(np.array([1, 0, 1]), 2),
        "genres": MultiValued(Lists.of([[0, 2], [], [1]]), 3),
        "image": Dense(np.array([[1, 0], [0, 1], [2, 3]], np.float32)),
    },
)


def embed():
    torch.manual_seed(0)
    embeddings = FieldEmbeddings(FIELDS, 4)
    return embeddings, embeddings(columns_of(FIELDS, "cpu"))


def test_one_vector_per_column_in_order():
    """Three columns give three (n, dim) tensors; a dot in a name does no harm."""
    embeddings, parts = embed()
    assert len(embeddings) == 3
    assert [tuple(part.shape) for part in parts] == [(3, 4)] * 3


def test_each_kind_by_hand():
    """A row of a table, the mean of rows (zero for none), a product with a matrix."""
    embeddings, (age, genres, image) = embed()
    tables = list(embeddings.tables.values())
    assert torch.equal(age, tables[0].weight[[1, 0, 1]])
    torch.testing.assert_close(genres[0], (tables[1].weight[0] + tables[1].weight[2]) / 2)
    assert torch.equal(genres[1], torch.zeros(4))
    assert torch.equal(genres[2], tables[1].weight[1])
    torch.testing.assert_close(image[2], tables[2].weight @ torch.tensor([2.0, 3.0]))


def test_no_fields_give_no_vectors():
    """None is the absence of columns."""
    assert FieldEmbeddings(None, 4)(columns_of(None, "cpu")) == []


def test_no_bags_at_all():
    """A batch of no rows, which torch's own bags refuse."""
    assert mean_of_bags(Bags.of(Lists.empty(0), "cpu"), torch.ones(2, 3)).shape == (0, 3)


def test_the_gradient_of_a_mean_is_that_of_torch():
    """To rounding: torch adds a row's parts in an order of its own. Empty bags, repeated ids."""
    random = np.random.default_rng(0)
    lists = [random.integers(40, size=n).tolist() for n in (0, 3, 0, 70, 1, 400, 0)]
    bags = Bags.of(Lists.of(lists), "cpu")
    torch.manual_seed(0)
    weight, behind = torch.randn(41, 5, requires_grad=True), torch.randn(len(lists), 5)
    plain = torch.nn.functional.embedding_bag(bags.ids, weight, bags.offsets, mode="mean")
    ours = mean_of_bags(bags, weight)
    assert torch.equal(ours, plain)
    one, other = (torch.autograd.grad(given, weight, behind)[0] for given in (ours, plain))
    torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)
    assert not one[40].any()


def test_names_that_differ_by_a_dot_have_tables_of_their_own():
    """``geo.city`` and ``geo_city`` are two fields."""
    columns = {
        "geo.city": Categorical(np.array([3]), 4),
        "geo_city": Categorical(np.array([1]), 2),
    }
    embeddings = FieldEmbeddings(Fields(1, columns), 3)
    assert [len(embeddings.weight(name)) for name in columns] == [4, 2]
    found = embeddings({name: torch.from_numpy(one.ids) for name, one in columns.items()})
    for one, name, row in zip(found, columns, (3, 1), strict=True):
        assert torch.equal(one[0], embeddings.weight(name)[row])
