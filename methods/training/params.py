"""Parameters of training that every learned method has."""

from dataclasses import dataclass, fields
from typing import Literal

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, slots=True)
class TrainingParams:
    """What learned methods have in common; their parameters begin with these.

    Attributes
    ----------
    epochs : passes over the training events, at most.
    patience : epochs without a better validation score after which training stops.
    batch_size : examples of one step.
    n_negatives : shared by a batch; the full softmax where it reaches the catalogue.
    learning_rate : of Adam, in the first epoch; it falls linearly to a tenth in the last.
    max_history : items of a training history, at most.
    precision : ``bfloat16`` computes the scores of a step under torch's autocast: products of
        matrices are in bfloat16. Weights, gradients of weights, the optimiser, the loss, the
        validation score and everything served stay float32. It is for GPUs: on a CPU the
        conversions cost more than the products gain, unless there are thousands of negatives.
    weight_decay : share of every weight, times the learning rate, that a step takes away (AdamW:
        Loshchilov and Hutter, ICLR 2019); 0 is Adam. A step decays every row of an embedding, also
        those that it does not use.
    """

    epochs: int = 12
    patience: int = 3
    batch_size: int = 512
    n_negatives: int = 256
    learning_rate: float = 0.005
    max_history: int = 50
    precision: Precision = "float32"
    weight_decay: float = 0.0

    def check_positive(self, *but: str) -> None:
        """Raise ValueError for a number that is not above 0, those named in ``but`` aside.

        ``weight_decay`` may be 0. Words are not looked at.
        """
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name in (*but, "weight_decay") or isinstance(value, str):
                continue
            if not value > 0:
                raise ValueError(f"{one.name} = {value} must be above 0")
        if not self.weight_decay >= 0:
            raise ValueError(f"weight_decay = {self.weight_decay} must be at least 0")
