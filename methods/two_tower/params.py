"""Build parameters of TwoTower: encoder and training, towers, and any index with what it takes."""

from dataclasses import dataclass

from harness.interactions import Interactions
from methods.ann.indexes import INDEX_PARAMS, IndexParams
from methods.encoders.params import EncoderParams
from methods.encoders.query_tower import TowerName
from methods.two_tower.towers import Similarity


@dataclass(frozen=True)
class TwoTowerParams(IndexParams, EncoderParams):
    """Size and towers; encoder and training, see `EncoderParams`; and what searches the vectors.

    Every index of `methods.ann.indexes.INDEXES` may, with the build parameters it takes. They are
    chosen after training: trials that differ in the index share one trained model.

    Attributes
    ----------
    dim : length of query and item vectors, and of every embedding before them.
    hidden : units of the towers' hidden layer, and of the layers of ``gru4rec``.
    tower : ``mlp``: a perceptron over history and fields is added to the query's vector, one over
        id and fields to the item's. ``none``: ids alone, the history's vector against the id's.
    similarity : ``inner`` product, or ``cosine``: both vectors are scaled to length 1, in training
        and serving.
    """

    dim: int = 64
    hidden: int = 128
    tower: TowerName = "mlp"
    similarity: Similarity = "inner"

    def __post_init__(self) -> None:
        self.check_positive("index", "dropout", *INDEX_PARAMS)
        self.check_encoder(self.dim)
        self.check_scores("inner products", cosine=self.similarity == "cosine")
        self.settle_index()  # refuse what the index refuses
        self.check_dim(self.dim)

    def check_log(self, log: Interactions) -> None:
        """See `TrainingParams`; refuses what the index refuses of so many items."""
        EncoderParams.check_log(self, log)
        self.check_items(log.n_items)
