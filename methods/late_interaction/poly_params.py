"""Parameters of the poly-encoder."""

from dataclasses import dataclass
from typing import Literal

from harness.interactions import Interactions
from methods.ann.choice import IndexSearch, IndexSettings
from methods.encoders.params import EncoderParams


@dataclass(frozen=True, slots=True)
class PolyEncoderParams(EncoderParams, IndexSettings):
    """Sizes and index; the query's encoder and how to train, see `EncoderParams`.

    Attributes
    ----------
    dim : length of every vector.
    hidden : units of the perceptrons, and of the layers of ``gru4rec``.
    n_codes : m, learned codes, each of which makes a vector of a query; with 1 the score is an
        inner product.
    index : ``exact``: every item is scored. ``flat``, ``ivf`` and ``hnsw`` search the items'
        vectors with each of the m vectors for candidates; for the CPU. Of their parameters see
        `IndexSettings`.
    """

    dim: int = 64
    hidden: int = 128
    n_codes: int = 8
    index: Literal["exact", "flat", "ivf", "hnsw"] = "exact"

    def __post_init__(self) -> None:
        self.check_positive("nlist", "dropout")
        self.check_encoder(self.dim)
        self.check_scores("poly_encoder")
        self.check_index()

    def check_log(self, log: Interactions) -> None:
        """See `TrainingParams`; refuses what the index refuses of so many items."""
        EncoderParams.check_log(self, log)
        self.check_items(log.n_items)


@dataclass(frozen=True)
class PolyEncoderSearch(IndexSearch):
    """How candidates are found; ``index = "exact"`` reads none of it.

    Attributes
    ----------
    n_candidates : items that each of the m vectors brings, at least k; all are scored exactly.
    """

    n_candidates: int = 128

    def __post_init__(self) -> None:
        IndexSearch.__post_init__(self)
        if self.n_candidates < 1:
            raise ValueError(f"n_candidates = {self.n_candidates} must be above 0")
