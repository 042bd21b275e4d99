"""Interest tower: history and fields -> several vectors; and which of them a target trains."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.fields import Fields
from harness.lists import Lists
from methods.encoders.fields import FieldEmbeddings
from methods.encoders.layout import Layout
from methods.encoders.query import Inputs, mlp
from methods.encoders.query_tower import TowerName
from methods.encoders.tensors import Bags, columns_of
from methods.multi_interest.routing import (
    BehaviourToInterest,
    DynamicRouting,
    Routing,
    SelfAttention,
)

RoutingName = Literal["self_attention", "dynamic_routing", "mind"]


class Interests(NamedTuple):
    """n queries' interests: ``vectors`` (n, K, dim), of which the first ``counts`` (n,) count."""

    vectors: Tensor
    counts: Tensor

    @property
    def present(self) -> Tensor:
        """Return which count, bool (n, K)."""
        places = torch.arange(self.vectors.shape[1], device=self.counts.device)
        return places < self.counts[:, None]

    def products(self, items: Tensor) -> Tensor:
        """Return each query's products with its own item (n, dim), (n, K); -inf of what is none."""
        products = (self.vectors @ items[:, :, None]).squeeze(2)
        return products.masked_fill(~self.present, -torch.inf)

    def scores(self, items: Tensor) -> Tensor:
        """Return the best product of each query with each item (m, dim), (n, m)."""
        best = self.vectors[:, 0] @ items.T  # one interest is always there
        for place in range(1, self.vectors.shape[1]):
            products = self.vectors[:, place] @ items.T
            absent = self.counts[:, None] <= place
            best = torch.maximum(best, products.masked_fill(absent, -torch.inf))
        return best


class InterestTower(nn.Module):
    """Query -> K vectors: those of the routing, each plus a perceptron over it and the fields.

    With the tower ``none`` they are the routing's, and fields are not read.
    """

    def __init__(
        self, schema: Fields | None, routing: Routing, dim: int, hidden: int, tower: TowerName
    ) -> None:
        """Take names, kinds and sizes of the query side's fields, and what makes interests."""
        super().__init__()
        plain = tower == "none"
        self.routing = routing
        self.fields = FieldEmbeddings(None if plain else schema, dim)
        self.tower = None if plain else mlp((1 + len(self.fields)) * dim, hidden, dim)

    def forward(self, history: Lists, fields: Fields | None, item_table: Tensor) -> Interests:
        """Return the interests; ``item_table`` is `ItemFeatures.history_table`."""
        return self.of_inputs(self.inputs(history, fields, str(item_table.device)), item_table)

    def inputs(self, history: Lists, fields: Fields | None, device: str) -> Inputs:
        """Copy history and fields to the device."""
        columns = columns_of(fields if len(self.fields) else None, device)
        return Inputs(Bags.of(history, device), columns)

    def of_inputs(self, inputs: Inputs, item_table: Tensor) -> Interests:
        """Return the interests from what lies on the device already."""
        layout = Layout.of(inputs.history)
        n, n_interests = len(layout.lengths), self.routing.n_interests
        vectors = item_table.new_zeros((n, n_interests, item_table.shape[1]))
        if layout.longest:
            vectors = self.routing(functional.embedding(inputs.history.ids, item_table), layout)
        if self.tower is not None:
            known = [one[:, None].expand_as(vectors) for one in self.fields(inputs.columns)]
            vectors = vectors + self.tower(torch.cat([vectors, *known], dim=2))
        return Interests(vectors, self.routing.counts(layout.lengths))


def make_routing(
    name: RoutingName,
    dim: int,
    hidden: int,
    n_interests: int,
    n_iterations: int,
    max_history: int,
    *,
    ordered: bool,
) -> Routing:
    """Return the routing of that name, untrained."""
    match name:
        case "self_attention":
            return SelfAttention(dim, hidden, n_interests, max_history if ordered else 0)
        case "dynamic_routing":
            return DynamicRouting(dim, n_interests, n_iterations)
        case "mind":
            return BehaviourToInterest(dim, n_interests, n_iterations, max_history, ordered=ordered)


def best_interest(interests: Interests, targets: Tensor) -> Tensor:
    """Return of each query the interest whose product with its target is highest, (n, dim).

    References
    ----------
    Cen et al., KDD 2020, section 3.2, eq. 8.
    """
    with torch.no_grad():
        chosen = interests.products(targets).argmax(dim=1)
    rows = torch.arange(len(chosen), device=chosen.device)
    return interests.vectors[rows, chosen]


def label_aware_attention(interests: Interests, targets: Tensor, power: float) -> Tensor:
    """Return of each query the mean of interests that its target weighs, (n, dim).

    The weights are softmax(<v_j, target>^power); a large power comes near to the best interest
    alone. A negative product keeps its sign, so that the weight rises with the product for every
    power; the paper's does so for odd ones.

    References
    ----------
    Li et al., CIKM 2019, section 3.4.
    """
    products = interests.products(targets)
    present = interests.present
    products = products.masked_fill(~present, 0)
    powers = products.sign() * products.abs() ** power
    weights = torch.softmax(powers.masked_fill(~present, -torch.inf), dim=1)
    return (weights[:, :, None] * interests.vectors).sum(1)
