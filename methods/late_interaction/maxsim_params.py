"""Parameters of MaxSim."""

from dataclasses import dataclass
from typing import Literal

from harness.errors import MethodError
from harness.interactions import Interactions
from methods.encoders.params import EncoderParams

Similarity = Literal["inner", "cosine"]
Stage = Literal["ivf", "plaid"]


@dataclass(frozen=True, slots=True)
class MaxSimParams(EncoderParams):
    """Sizes, tokens and index; the query's encoder and how to train, see `EncoderParams`.

    Attributes
    ----------
    dim : length of every embedding.
    hidden : units of the perceptron of the summary token, and of the layers of ``gru4rec``.
    token_dim : length of tokens, at most ``dim``.
    query_tokens : T, positions of a history that have a token, the last ones; of a log without an
        order any T.
    summary : whether a query has one more token, of its whole history and fields together. Without
        it a query with neither has no token: every item scores 0, and cells find none.
    id_tokens : tokens of an item's id. With 1, and items without fields, an item is one vector, and
        the score is the inner product with the sum of the query's tokens, as of two towers.
    similarity : tokens are compared by their ``inner`` product, or scaled to length 1 first,
        ``cosine``, as in ColBERT; a softmax of sums of cosines wants a ``loss_temperature``.
    index : ``exact``: every item is scored. ``cells``: tokens of items lie in cells of a k-means,
        candidates come from there, see `MaxSimSearch`; for the CPU.
    nlist : cells; 0: 4 * sqrt(tokens of all items).
    train_per_list : tokens for each cell that the k-means looks at, at most.
    """

    dim: int = 64
    hidden: int = 128
    token_dim: int = 64
    query_tokens: int = 8
    summary: bool = True
    id_tokens: int = 2
    similarity: Similarity = "inner"
    index: Literal["exact", "cells"] = "exact"
    nlist: int = 0
    train_per_list: int = 40

    def __post_init__(self) -> None:
        self.check_positive("nlist", "dropout", "query_tokens")
        self.check_encoder(self.dim)
        self.check_scores("maxsim, sums over tokens,")
        if self.token_dim > self.dim:
            raise ValueError(f"token_dim = {self.token_dim} must be at most dim = {self.dim}")
        if self.nlist < 0:
            raise ValueError(f"nlist = {self.nlist} must be at least 0")
        if self.query_tokens < 0 or (self.query_tokens == 0 and not self.summary):
            raise ValueError(
                f"query_tokens = {self.query_tokens} must be at least 1, or 0 with summary = true"
            )

    def check_log(self, log: Interactions) -> None:
        """See `TrainingParams`; refuses more cells than items can have tokens."""
        EncoderParams.check_log(self, log)
        n_fields = 0 if log.item_fields is None else len(log.item_fields.columns)
        most = log.n_items * (self.id_tokens + n_fields)
        if self.index == "cells" and self.nlist > most:
            raise MethodError(f"nlist = {self.nlist} exceeds the {most} tokens of all items")


@dataclass(frozen=True, slots=True)
class MaxSimSearch:
    """How candidates are found in cells; ``index = "exact"`` reads none of it.

    Attributes
    ----------
    stage : ``ivf``: the tokens in the probed cells are compared, the best ``n_rescored`` items
        scored exactly. ``plaid``: candidates are compared by the cells' centroids alone.
    nprobe : cells that each token of the query looks into; more than there are means all.
    n_rescored : of ``ivf``, items scored exactly, at least k.
    t_cs : of ``plaid``: a centroid counts in the first comparison where its cosine with some token
        of the query reaches t_cs; -1 counts all.
    ndocs : of ``plaid``: items kept by the first comparison; a quarter of them, at least k, is kept
        by the second, of all centroids, and scored exactly.
    """

    stage: Stage = "ivf"
    nprobe: int = 4
    n_rescored: int = 256
    t_cs: float = 0.45
    ndocs: int = 1024

    def __post_init__(self) -> None:
        for name in ("nprobe", "n_rescored", "ndocs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} = {getattr(self, name)} must be above 0")
        if not -1 <= self.t_cs <= 1:
            raise ValueError(f"t_cs = {self.t_cs} must lie in -1..1, as cosines do")
