"""The interactions by the name that a suite gives them."""

from typing import Literal

from methods.interactions.cross_network import CrossNetwork
from methods.interactions.deep_mlp import DeepMLP
from methods.interactions.dot import Dot
from methods.interactions.interaction import Interaction
from methods.interactions.mixture_of_logits import MixtureOfLogits
from methods.interactions.mlp import MLP
from methods.interactions.self_attention import SelfAttention

InteractionName = Literal["dot", "mlp", "deep_mlp", "cross", "self_attention", "mixture_of_logits"]

INTERACTIONS: dict[str, type[Interaction]] = {
    "dot": Dot,
    "mlp": MLP,
    "deep_mlp": DeepMLP,
    "cross": CrossNetwork,
    "self_attention": SelfAttention,
    "mixture_of_logits": MixtureOfLogits,
}


def make_interaction(name: str, dim: int, item_width: int, hidden: int) -> Interaction:
    """Return the interaction of that name; ``hidden`` is its width, whatever it is the width of."""
    return INTERACTIONS[name](dim, item_width, hidden)
