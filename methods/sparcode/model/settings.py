"""What the model takes: sizes, forms and schedule."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.errors import MethodError
from methods.encoders.params import EncoderParams
from methods.interactions.choice import InteractionName

TokenizerName = Literal["heads", "attention", "residual"]
HeadStart = Literal["identity", "orthogonal"]
FieldTokens = Literal["none", "fields", "pairs", "beside"]
Gradient = Literal["straight_through", "rotation", "weights"]
Codebooks = Literal["averages", "gradient"]
BiasName = Literal["learned", "quantile"]


# What changes the answers of a model that is trained already.
SERVED = (
    "dim", "hidden", "tokenizer", "n_heads", "field_tokens", "interaction", "n_parts",
    "n_codewords", "shared_codebooks", "n_nearest", "bias", "density", "towers",
)  # fmt: skip
SERVED_ENCODER = (
    "encoder", "n_layers", "n_attention_heads", "norm", "positions", "max_history",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The words are those of `methods.sparcode.params.SparCodeParams`.

    ``encoder`` is what makes one vector of a history.
    """

    encoder: EncoderParams
    dim: int
    hidden: int
    tokenizer: TokenizerName
    n_heads: int
    head_start: HeadStart
    field_tokens: FieldTokens
    interaction: InteractionName
    n_parts: int
    n_codewords: int
    shared_codebooks: bool
    n_nearest: int
    temperature: float
    gumbel: float
    gradient: Gradient
    codebooks: Codebooks
    decay: float
    commitment: float
    bias: BiasName
    density: float
    warm_up: int
    anneal: int
    finish_from: int
    unquantised_weight: float
    towers: bool
    top_per_code: int
    max_per_item: int
    budget: int
    memory_budget_mb: float

    def facts(self) -> dict[str, Any]:
        """Return, as JSON can say it, what serving a trained model depends on."""
        own = {name: getattr(self, name) for name in SERVED}
        return own | {name: getattr(self.encoder, name) for name in SERVED_ENCODER}

    def check_against(self, facts: Mapping[str, Any], where: str) -> None:
        """Raise MethodError where `facts` of what was saved are not these settings'."""
        for name, given in self.facts().items():
            if facts[name] != given:
                raise MethodError(
                    f"{where}: was saved with {name} = {facts[name]!r}, "
                    f"and is loaded with {name} = {given!r}"
                )
