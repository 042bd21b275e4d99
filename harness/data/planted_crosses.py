"""Planted crosses: relevance is a sum of products of query and item fields, of high rank."""

from dataclasses import dataclass

import numpy as np

from harness.data.log import Log
from harness.data.planted import Cross, Float64Array, PlantedTruth, balanced, draw_log, zipf
from harness.fields import Categorical, Fields
from harness.lists import IntArray
from harness.seeding import generator


@dataclass(frozen=True, slots=True)
class PlantedCrossesParams:
    """Size and strength.

    Attributes
    ----------
    n_users, n_items : users and items.
    n_crosses : J, pairs of a user's field ``f1`` .. ``fJ`` and an item's field ``g1`` .. ``gJ``.
    n_values : V, values of each field: 4, 16, 64 or 256.
    events_per_user : distinct items of each user.
    beta : a step of 1 in the sum of the tables multiplies the odds of a pick by e^beta.
    skew : Zipf exponent of the items' popularity.
    seed : of the draw.
    """

    n_users: int = 4000
    n_items: int = 2000
    n_crosses: int = 4
    n_values: int = 16
    events_per_user: int = 30
    beta: float = 2.0
    skew: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_values not in (4, 16, 64, 256):
            raise ValueError(f"n_values = {self.n_values} must be 4, 16, 64 or 256")
        for name in ("n_users", "n_items", "n_crosses"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} must be positive")
        if not 1 <= self.events_per_user <= self.n_items:
            raise ValueError(f"events_per_user = {self.events_per_user} must lie in 1..n_items")


def planted_crosses(params: PlantedCrossesParams) -> Log:
    """Draw the log: p(i | u) proportional to popularity * exp(beta * sum_j T_j[f_j(u), g_j(i)]).

    T_j is a `cross_table`: a Hadamard matrix, V x V of -1 and 1, all its singular values sqrt(V).

    Known answer: rank by the sum of the tables, then by popularity. Up to a constant the sum has
    J (V - 1) = 60 equal singular values, so by Eckart and Young a dot product of r dimensions
    explains r / 60 of its variance at best; even the signs of one table need at least sqrt(V)
    dimensions (Forster 2002). The tables themselves are 4 x 256 numbers.

    Defaults, seed 0, NDCG@10 of all users: split `random_per_user` (0.2) best possible 0.486,
    popularity 0.009; `leave_last_out` 0.264 and 0.003. The least-squares approximation of the
    true scores of all users, with a bias per item, on 300 users of a random 0.2: 0.04 in 8
    dimensions, 0.08 in 16, 0.19 in 32, against 0.49; it explains 0.17, 0.33 and 0.61 of the
    variance (more than r / 60, for 2000 items fill the 65,536 combinations unevenly).

    References
    ----------
    Forster, A linear lower bound on the unbounded error probabilistic communication complexity,
    JCSS 2002: the sign-rank of an n x n Hadamard matrix is at least sqrt(n).
    """
    rng = generator(params.seed, "planted_crosses")
    names = range(1, params.n_crosses + 1)
    f = {f"f{j}": balanced(params.n_users, params.n_values, rng) for j in names}
    g = {f"g{j}": balanced(params.n_items, params.n_values, rng) for j in names}
    truth = PlantedTruth(
        popularity=zipf(params.n_items, params.skew, rng),
        item_clusters=np.zeros(params.n_items, np.int64),
        taste=np.zeros((1, 1)),
        crosses=tuple(
            Cross(f"f{j}", g[f"g{j}"], params.beta * cross_table(params.n_values, rng))
            for j in names
        ),
    )
    return draw_log(
        truth,
        np.zeros(params.n_users, np.int64),
        np.full(params.n_users, params.events_per_user, np.int64),
        rng,
        user_fields=_fields(f, params.n_users, params.n_values),
        item_fields=_fields(g, params.n_items, params.n_values),
    )


def cross_table(n_values: int, rng: np.random.Generator) -> Float64Array:
    """Return a V x V table of -1 and 1 in which no row or column is special, V a power of four.

    It is Sylvester's Hadamard matrix in its regular form, the Kronecker power of 2I - J (4 x 4),
    with rows and columns permuted, and so signed that 1 is the rarer value: (V - sqrt V) / 2 times
    in each row and each column (6 of 16). Equal sums mean that no value is popular by itself.
    """
    block = 2 * np.eye(4) - np.ones((4, 4))
    table: Float64Array = np.ones((1, 1))
    while table.shape[0] < n_values:
        table = np.asarray(np.kron(table, block), np.float64)
    table *= -np.sign(table[0].sum())
    return np.asarray(table[rng.permutation(n_values)][:, rng.permutation(n_values)])


def _fields(columns: dict[str, IntArray], n_rows: int, n_values: int) -> Fields:
    return Fields(n_rows, {name: Categorical(ids, n_values) for name, ids in columns.items()})
