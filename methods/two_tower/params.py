"""Build parameters of TwoTower: training, sizes, and any index with what it takes."""

from dataclasses import dataclass

from methods.ann.indexes import INDEX_PARAMS, IndexParams
from methods.training import TrainingParams


@dataclass(frozen=True)
class TwoTowerParams(IndexParams, TrainingParams):
    """Size; how to train, see `methods.training.TrainingParams`; and what searches the vectors.

    Every index of `methods.ann.indexes.INDEXES` may, with the build parameters it takes. They are
    chosen after training: trials that differ in the index share one trained model.

    Attributes
    ----------
    dim : length of query and item vectors, and of every embedding before them.
    hidden : units of the towers' hidden layer.
    """

    dim: int = 64
    hidden: int = 128

    def __post_init__(self) -> None:
        self.check_positive("index", *INDEX_PARAMS)
        self.settle_index()  # refuse what the index refuses
