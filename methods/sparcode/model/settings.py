"""What the model takes: sizes, forms and schedule."""

from dataclasses import dataclass
from typing import Literal

from methods.encoders.params import EncoderParams
from methods.interactions.choice import InteractionName

TokenizerName = Literal["heads", "attention", "residual"]
HeadStart = Literal["identity", "orthogonal"]
FieldTokens = Literal["none", "fields", "pairs", "beside"]
Gradient = Literal["straight_through", "rotation", "weights"]
Codebooks = Literal["averages", "gradient"]
BiasName = Literal["learned", "quantile"]


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
