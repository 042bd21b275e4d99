"""RankingModel: what the loop trains."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn

from harness.interactions import Interactions
from methods.batches import Batch, Batches, EpochBatches
from methods.losses import RankingLoss
from methods.negatives import Negatives
from methods.products import Vectors
from methods.seen import Seen
from methods.training.params import TrainingParams
from methods.training.scored import Scores


class RankingModel(nn.Module, ABC):
    """What the loop trains: scores of (query, item), dense, differentiable.

    Whatever training changes is a parameter or a buffer (or `torch.nn.Module.get_extra_state`): a
    checkpoint holds nothing else of a model, nor do the weights that are kept of the best epoch.

    Attributes
    ----------
    ranking_loss : what a step minimises, set by the training; for a model that adds the loss of
        scores of its own.
    """

    ranking_loss: RankingLoss = RankingLoss()

    def begin_epoch(self, epoch: int, recent: list[Batch]) -> None:
        """Prepare for an epoch, counted from 0; ``recent`` are batches to look at."""

    def draw_batches(
        self, train: Interactions, params: TrainingParams, random: np.random.Generator
    ) -> Batches:
        """Return the batches of an epoch; all that is random is drawn from ``random`` here."""
        return EpochBatches(train, params.batch_size, params.max_history, random)

    @property
    def is_warming_up(self) -> bool:
        """Return whether the model is not yet what it will serve; its score does not count."""
        return False

    @abstractmethod
    def batch_scores(self, batch: Batch, negatives: Negatives) -> tuple[Tensor, Scores, Tensor]:
        """Return scores of the targets (n,), of the negatives (n, m), and a loss to add.

        Those of negatives may be still to be made, see `methods.training.scored`.
        The negatives may be each example's own, see `methods.negatives.Negatives.are_own`; a method
        whose model cannot score those refuses them with its parameters, see
        `methods.training.TrainingParams.check_scores`.
        """

    def batch_vectors(self, batch: Batch, negatives: Negatives) -> Vectors | None:
        """Return what `batch_scores` are inner products of, or None where they are not.

        It lets a softmax against many shared negatives do without the scores in memory.
        """
        return None

    def seen_items(self, batch: Batch) -> Seen:
        """Return for each example the items that ``mask_seen`` leaves out of its negatives.

        It is the history; of a batch of sequences what a sequence holds up to each position.
        """
        rows, starts = batch.sequences, batch.history.indptr
        if batch.positions is None or rows is None:
            return Seen.of(batch.history)
        return Seen(starts[rows], batch.positions + 1, batch.history.ids)

    @abstractmethod
    def all_scores(self, batch: Batch) -> Tensor:
        """Return the scores that search stands for, of every item, (n, n_items)."""

    def epoch_facts(self) -> Mapping[str, float]:
        """Return facts of the epoch just trained, by name; they are shown and recorded.

        ``epoch``, ``learning_rate``, ``loss`` and ``validation`` are the loop's own.
        """
        return {}
