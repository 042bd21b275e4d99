"""Trained: how a training went, epoch by epoch, and how a method accounts for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Epoch = Mapping[str, float]


@dataclass(slots=True)
class Trained:
    """How training went.

    Attributes
    ----------
    epochs : that the kept weights were trained for.
    validation : score after each epoch, higher is better; empty without validation.
    history : of each epoch ``epoch`` (from 1), ``learning_rate``, ``loss`` (mean over examples),
        ``validation`` where there is one, and what `RankingModel.epoch_facts` tells.
    taken_over_s : seconds that an interrupted training had spent on the epochs that this one took
        over from its checkpoint; 0 for a training from the start.
    """

    epochs: int = 0
    validation: list[float] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)
    taken_over_s: float = 0.0

    @classmethod
    def of_histories(cls, found: Mapping[str, list[dict[str, float]]]) -> "dict[str, Trained]":
        """Return phase -> as much as `histories` told of its training."""
        return {phase: cls(len(epochs), history=epochs) for phase, epochs in found.items()}


def histories(trainings: Mapping[str, Trained]) -> dict[str, list[dict[str, float]]]:
    """Return phase -> its epochs, as `harness.retriever.Footprint` holds them."""
    return {phase: one.history for phase, one in trainings.items()}


def seconds_taken_over(trainings: Mapping[str, Trained]) -> dict[str, float]:
    """Return phase -> seconds taken over, of the phases that were resumed."""
    return {phase: one.taken_over_s for phase, one in trainings.items() if one.taken_over_s}
