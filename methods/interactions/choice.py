"""The interactions by the name that a suite gives them."""

from typing import Literal

from methods.interactions.dot import Dot
from methods.interactions.interaction import Interaction
from methods.interactions.mlp import MLP

InteractionName = Literal["dot", "mlp"]

INTERACTIONS: dict[str, type[Interaction]] = {"dot": Dot, "mlp": MLP}


def make_interaction(name: str, dim: int, item_width: int, hidden: int) -> Interaction:
    """Return the interaction of that name; ``hidden`` is its width, whatever it is the width of."""
    return INTERACTIONS[name](dim, item_width, hidden)
