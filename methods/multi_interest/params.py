"""Parameters of multi-interest retrieval."""

from dataclasses import dataclass

from harness.fields import Fields
from harness.interactions import Interactions
from methods.ann.choice import IndexChoice
from methods.encoders.query_tower import TowerName
from methods.multi_interest.interests import InterestTower, RoutingName, make_routing
from methods.training import TrainingParams


@dataclass(frozen=True, slots=True)
class MultiInterestParams(TrainingParams, IndexChoice):
    """Size and routing; how to train, see `TrainingParams`; the index, see `IndexChoice`.

    Attributes
    ----------
    dim : length of interests, of item vectors and of every embedding before them.
    hidden : units of the towers' hidden layer; d_a, the width of ``self_attention``.
    tower : ``mlp``: a perceptron over interest and fields is added to each interest, one over id
        and fields to the item's vector. ``none``: ids alone, as in ComiRec.
    routing : ``self_attention`` is ComiRec-SA, ``dynamic_routing`` ComiRec-DR, ``mind`` MIND; see
        `methods.multi_interest.routing`.
    n_interests : K; of ``mind`` the most that a history gets.
    n_iterations : r, turns of the two that route capsules.
    power : p of the label-aware attention that trains ``mind``, at least 1: below, its gradient has
        no bound where a product is 0.
    """

    dim: int = 64
    hidden: int = 128
    tower: TowerName = "mlp"
    routing: RoutingName = "self_attention"
    n_interests: int = 4
    n_iterations: int = 3
    power: float = 1.0

    def __post_init__(self) -> None:
        self.check_positive("nlist")
        self.check_scores("multi_interest")
        self.check_index()
        if self.power < 1:
            raise ValueError(f"power = {self.power} must be at least 1")

    def check_log(self, log: Interactions) -> None:
        """See `TrainingParams`; refuses what the index refuses of so many items."""
        self.check_items(log.n_items)

    def interest_tower(self, schema: Fields | None, *, ordered: bool) -> InterestTower:
        """Return the query side, untrained."""
        routing = make_routing(
            self.routing,
            self.dim,
            self.hidden,
            self.n_interests,
            self.n_iterations,
            self.max_history,
            ordered=ordered,
        )
        return InterestTower(schema, routing, self.dim, self.hidden, self.tower)
