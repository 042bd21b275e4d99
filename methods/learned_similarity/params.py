"""Parameters of the mixture of logits."""

from dataclasses import dataclass
from typing import Literal

from harness.interactions import Interactions
from methods.all_to_all.retriever import InteractionParams
from methods.ann.choice import IndexChoice, IndexSearch
from methods.interactions.mixture_of_logits import TEMPERATURE

Algorithm = Literal["exhaustive", "two_pass", "candidates"]


@dataclass(frozen=True, slots=True)
class MoLParams(InteractionParams, IndexChoice):
    """Components and how they are searched; the query's encoder and training: `EncoderParams`.

    Attributes
    ----------
    component_dim : length of a component's vectors, and units of the gate's perceptrons.
    query_components, item_components : P_Q and P_X; a mixture has P_Q * P_X inner products.
    temperature : inner products are divided by it; below 1 for they are cosines.
    algorithm : ``exhaustive`` scores every item; ``two_pass`` finds the same by the bound that
        components give; ``candidates`` scores what ``index`` finds for components: approximate.
    index, nlist, train_per_list, cell_space, m, ef_construction, graph_space : of ``candidates``,
        see `IndexChoice`; an exact index does not make the candidates complete.
    """

    component_dim: int = 32
    query_components: int = 4
    item_components: int = 4
    temperature: float = TEMPERATURE
    algorithm: Algorithm = "exhaustive"

    def __post_init__(self) -> None:
        self.check_positive("nlist", "dropout")
        self.check_scores("mixture_of_logits")
        self.check_encoder(self.dim)
        self.check_index()

    def check_log(self, log: Interactions) -> None:
        """See `TrainingParams`; candidates refuse what their index refuses of so many items."""
        InteractionParams.check_log(self, log)
        if self.algorithm == "candidates":
            self.check_items(log.n_items)


@dataclass(frozen=True)
class MoLSearch(IndexSearch):
    """How many candidates are scored; ``algorithm = "candidates"`` alone reads it.

    Attributes
    ----------
    per_component : items taken for each of the P_Q * P_X pairs of components.
    averaged : items taken by the inner product of the components' means.
    """

    per_component: int = 32
    averaged: int = 128

    def __post_init__(self) -> None:
        IndexSearch.__post_init__(self)
        if min(self.per_component, self.averaged) < 0 or self.per_component + self.averaged == 0:
            raise ValueError(
                f"per_component = {self.per_component} and averaged = {self.averaged} must be at "
                "least 0, and one of them above"
            )
