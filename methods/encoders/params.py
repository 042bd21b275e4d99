"""Parameters of the query's encoder that every learned method has, and what follows from them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.errors import MethodError
from harness.interactions import Interactions
from methods.batches import Batches, EpochBatches
from methods.encoders.fields import INIT_STD
from methods.sequence_batches import SequenceBatches, Windows
from methods.training.params import TrainingParams

EncoderName = Literal["mean", "attention", "gru4rec", "sasrec"]
Norm = Literal["pre", "post", "queries"]
Positions = Literal["from_end", "from_start"]
SEQUENTIAL = ("gru4rec", "sasrec")


@dataclass(frozen=True, slots=True)
class EncoderParams(TrainingParams):
    """What makes one vector of a history; and how to train, see `TrainingParams`.

    Attributes
    ----------
    encoder : ``mean`` of the items' vectors; ``attention``, their mean weighted by learned queries;
        ``gru4rec`` and ``sasrec`` read them in order, need an ordered log, and learn at all
        positions of a sequence at once: of these ``batch_size`` counts sequences.
    n_layers : of ``gru4rec`` and ``sasrec``.
    n_attention_heads : of ``attention`` and ``sasrec``; divides dim.
    dropout : of ``gru4rec`` and ``sasrec``, a share below 1.
    norm : of ``sasrec``: layers normalise what they take, ``pre``, or the sum they leave, ``post``;
        ``queries`` is the form of its authors' code, see `methods.encoders.sasrec.SASRec`.
    positions : of ``sasrec``: counted back from the last item of a history, or from its first.
    windows : of ``gru4rec`` and ``sasrec``: which events of a user with more than ``max_history``
        are trained on, see `methods.sequence_batches.SequenceBatches`.
    init_std : standard deviation that vectors of item ids, and positions of ``sasrec``, start with.
    """

    encoder: EncoderName = "mean"
    n_layers: int = 2
    n_attention_heads: int = 1
    dropout: float = 0.2
    norm: Norm = "pre"
    positions: Positions = "from_end"
    windows: Windows = "last"
    init_std: float = INIT_STD

    @property
    def is_sequential(self) -> bool:
        """Return whether the encoder reads a history in order."""
        return self.encoder in SEQUENTIAL

    def check_encoder(self, dim: int) -> None:
        """Raise ValueError for a value that makes no sense with vectors of ``dim``."""
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout = {self.dropout} must be at least 0 and below 1")
        if dim % self.n_attention_heads:
            raise ValueError(
                f"dim = {dim} must be a multiple of n_attention_heads = {self.n_attention_heads}"
            )

    def check_order(self, train: Interactions) -> None:
        """Raise MethodError for a log without the order that the encoder reads."""
        if self.is_sequential and not train.ordered:
            raise MethodError(
                f"encoder = {self.encoder!r} reads a history in its order, and this log has none; "
                "'mean' and 'attention' do without"
            )

    def check_log(self, log: Interactions) -> None:
        """See `TrainingParams`."""
        self.check_order(log)

    def draw_batches(
        self, train: Interactions, params: TrainingParams, random: np.random.Generator
    ) -> Batches:
        """Return the batches that the encoder learns from, sizes as in ``params``."""
        size, length = params.batch_size, params.max_history
        if self.is_sequential:
            return SequenceBatches(train, size, length, random, self.windows)
        return EpochBatches(train, size, length, random)


MEAN = EncoderParams()
