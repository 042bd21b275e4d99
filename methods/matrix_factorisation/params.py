"""Parameters of the methods with a vector per user."""

from dataclasses import dataclass

from methods.encoders.fields import INIT_STD
from methods.losses import LossName
from methods.matrix_factorisation.history_pooling import PoolingName
from methods.negatives import NegativesName
from methods.training import TrainingParams


@dataclass(frozen=True, slots=True)
class BPRParams(TrainingParams):
    """Size; and how to train, see `methods.training.TrainingParams`, with the paper's loss.

    Attributes
    ----------
    dim : length of user and item vectors.
    l2 : lambda, weight of half the squared length of the vectors that an example uses.
    init_std : standard deviation of the coordinates that vectors start with.
    """

    epochs: int = 100
    patience: int = 10
    batch_size: int = 2048
    n_negatives: int = 1
    learning_rate: float = 0.001
    loss: LossName = "bpr"
    negatives: NegativesName = "uniform"
    own_negatives: bool = True
    mask_seen: bool = True
    dim: int = 64
    l2: float = 0.0001
    init_std: float = INIT_STD

    def __post_init__(self) -> None:
        self.check_positive("l2")
        self.check_scores("inner products")
        if not self.l2 >= 0:
            raise ValueError(f"l2 = {self.l2} must be at least 0")


@dataclass(frozen=True, slots=True)
class LightGCNParams(BPRParams):
    """See `BPRParams`.

    Attributes
    ----------
    n_layers : K, how often vectors are propagated.
    """

    n_layers: int = 3


@dataclass(frozen=True, slots=True)
class SimpleXParams(TrainingParams):
    """Size and mixture; and how to train, see `methods.training.TrainingParams`.

    Attributes
    ----------
    dim : length of user and item vectors.
    g : weight of the user's own vector; what is made of the history has 1 - g.
    pooling : what is made of a history, see `methods.matrix_factorisation.history_pooling`.
    own_history_vectors : an item of a history has a vector that is not the one it is scored by.
    bias : an item has a bias, added to its cosine; in training a user has one too, which ranks
        nothing but moves all its scores against the margin.
    dropout : share of the coordinates of the user's vector that training drops, below 1.
    l2 : weight of half the squared length of all vectors.
    init_std : standard deviation of the coordinates that vectors start with. Their length is the
        scale of the learning rate: a step of Adam moves a coordinate by about the learning rate,
        and a cosine feels only how far that turns the vector.
    """

    epochs: int = 100
    patience: int = 10
    batch_size: int = 1024
    n_negatives: int = 1000
    learning_rate: float = 0.001
    loss: LossName = "ccl"
    negatives: NegativesName = "uniform"
    mask_seen: bool = True
    dim: int = 64
    g: float = 0.5
    pooling: PoolingName = "mean"
    own_history_vectors: bool = False
    bias: bool = False
    dropout: float = 0.0
    l2: float = 0.0
    init_std: float = 1e-4

    def __post_init__(self) -> None:
        self.check_positive("g", "dropout", "l2")
        self.check_scores("simplex", cosine=True)
        if not 0 <= self.g <= 1:
            raise ValueError(f"g = {self.g} must lie in 0..1")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout = {self.dropout} must be at least 0 and below 1")
        if not self.l2 >= 0:
            raise ValueError(f"l2 = {self.l2} must be at least 0")
