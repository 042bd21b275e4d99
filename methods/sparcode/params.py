"""Parameters of SparCode: of its index, and of a search."""

from dataclasses import dataclass
from typing import Literal

from methods.sparcode.model.model import ModelSettings
from methods.training import TrainingParams


@dataclass(frozen=True, slots=True)
class SparCodeParams(TrainingParams):
    """Size and sparsity; and how to train, see `methods.training.TrainingParams`.

    Attributes
    ----------
    dim : D, length of a token and of every embedding before it.
    n_heads : learned tokens of a query; with ``field_tokens``, each of its fields adds one (K_u).
    hidden : units of the hidden layer of tokenizer and interaction.
    n_parts, n_codewords : M and N; a token's code is one of N^M.
    density : share of (token, item) pairs that keep a positive score.
    warm_up, anneal : epochs before tokens are quantised, and after that until the ReLU is whole.
    commitment : beta, weight of the commitment loss.
    decay : of the codebooks' moving averages.
    """

    dim: int = 64
    n_heads: int = 2
    field_tokens: bool = True
    hidden: int = 64
    n_parts: int = 2
    n_codewords: int = 64
    density: float = 0.5
    warm_up: int = 2
    anneal: int = 3
    commitment: float = 1.0
    decay: float = 0.99

    def __post_init__(self) -> None:
        self.check_positive("field_tokens", "anneal")
        if self.dim % self.n_parts:
            raise ValueError(f"dim = {self.dim} must be a multiple of n_parts = {self.n_parts}")
        if self.warm_up < 1 or self.anneal < 0 or self.warm_up + self.anneal >= self.epochs:
            raise ValueError(
                f"warm_up = {self.warm_up} must be at least 1, anneal = {self.anneal} at least 0, "
                f"and together below epochs = {self.epochs}"
            )
        if self.density > 1 or self.decay >= 1:
            raise ValueError(
                f"density = {self.density} must be at most 1, decay = {self.decay} below 1"
            )
        if self.n_codewords**self.n_parts > 1 << 20:
            raise ValueError(f"n_codewords^n_parts = {self.n_codewords**self.n_parts} exceeds 2^20")

    @property
    def model(self) -> ModelSettings:
        """Return what the model takes."""
        return ModelSettings(**{name: getattr(self, name) for name in ModelSettings.__slots__})


@dataclass(frozen=True, slots=True)
class SparCodeSearch:
    """What answers a query.

    Attributes
    ----------
    scoring : ``served``: the inverted index alone. ``quantised``: the same model's score of every
        item, from the codes. ``unquantised``: from the tokens before they became codes.
    fallback : what fills a list with fewer than k positive scores: nothing, or popular items.
    """

    scoring: Literal["served", "quantised", "unquantised"] = "served"
    fallback: Literal["none", "popularity"] = "none"
