"""The training loop shared by learned methods: epochs, early stop on validation, one seed."""

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch.utils import deterministic

from harness.interactions import HeldOut, Interactions
from harness.progress import Progress
from methods.training.checkpoint import Checkpointing, Pace
from methods.training.fingerprint import identity_of
from methods.training.judge import judge_of
from methods.training.model import RankingModel
from methods.training.params import TrainingParams
from methods.training.trained import Trained
from methods.training.training import Training


def train_model(
    model: RankingModel,
    train: Interactions,
    validation: HeldOut | None,
    params: TrainingParams,
    seed: int,
    progress: Progress,
    stop_after: int | None = None,
    checkpoints: Checkpointing | None = None,
) -> Trained:
    """Train ``model`` in place and leave the weights of the best epoch in it.

    Without ``validation`` the last epoch's are kept, or those of epoch ``stop_after``: the learning
    rate falls as if all epochs were to come, so a refit goes the way that the fit went. On the CPU
    the same seed, data and parameters give the same weights, whatever ran before in the process,
    and whether or not the training was interrupted and went on from its checkpoint.

    Raises
    ------
    MethodError
        What lies in the folder of ``checkpoints`` is damaged or of another training.
    """
    with _adding_in_order(model):
        training = Training(model, train, params, seed, stop_after or params.epochs)
        judge = None
        if validation is not None:
            judge = judge_of(model, validation, train, params, seed)
        if checkpoints is None:
            while not training.is_over:
                training.run_epoch(judge, progress)
        else:
            identity = identity_of(model, train, validation, params, seed, stop_after)
            _run_with_checkpoints(training, judge, progress, checkpoints, identity)
        return training.finish()


def _run_with_checkpoints(
    training: Training,
    judge: Callable[[], float] | None,
    progress: Progress,
    checkpoints: Checkpointing,
    identity: dict[str, str],
) -> None:
    taken_over_s = 0.0
    if (state := checkpoints.read(identity)) is not None:
        training.take_over(state)
        taken_over_s = training.trained.taken_over_s = state["seconds"]
        progress("train", training.epoch, training.n_epochs, "taken over from a checkpoint")
    pace = Pace(checkpoints, taken_over_s)
    while not training.is_over:
        training.run_epoch(judge, progress)
        if pace.is_due(training.epoch, is_last=training.is_over):
            checkpoints.write({**training.state(), "seconds": pace.seconds}, identity)


@contextlib.contextmanager
def _adding_in_order(model: RankingModel) -> Iterator[None]:
    """Let torch's CPU operations add in a fixed order: threads otherwise add as they come.

    Torch would then also fill all memory that it reserves, which takes time at every operation;
    nothing here reads what it has not written.
    """
    before = torch.are_deterministic_algorithms_enabled()
    filled = deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    on_host = next(model.parameters()).device.type == "cpu"
    torch.use_deterministic_algorithms(before or on_host)
    _fill_reserved_memory(filled and before)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        _fill_reserved_memory(filled)


def _fill_reserved_memory(on: bool) -> None:
    deterministic.fill_uninitialized_memory = on  # type: ignore[attr-defined]
