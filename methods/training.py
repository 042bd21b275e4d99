"""The training loop shared by learned methods: epochs, early stop on validation, one seed."""

import contextlib
import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.interactions import HeldOut, Interactions
from harness.lists import IntArray
from harness.progress import Progress
from harness.seeding import derive_seed, generator
from methods.batches import Batch, epoch_batches
from methods.losses import sampled_softmax
from methods.negatives import Negatives, NegativeSampler

VALIDATION_QUERIES = 1000  # scored exhaustively after each epoch, at most
SCORED_AT_ONCE = 128
RECENT_BATCHES = 8  # shown to the model when an epoch begins


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
    """

    epochs: int = 12
    patience: int = 3
    batch_size: int = 512
    n_negatives: int = 256
    learning_rate: float = 0.005
    max_history: int = 50

    def check_positive(self, *but: str) -> None:
        """Raise ValueError for a number that is not above 0, those named in ``but`` aside."""
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name not in but and not value > 0:
                raise ValueError(f"{one.name} = {value} must be above 0")


class RankingModel(nn.Module, ABC):
    """What the loop trains: scores of (query, item), dense, differentiable."""

    def begin_epoch(self, epoch: int, recent: list[Batch]) -> None:
        """Prepare for an epoch, counted from 0; ``recent`` are batches to look at."""

    @property
    def is_warming_up(self) -> bool:
        """Return whether the model is not yet what it will serve; its score does not count."""
        return False

    @abstractmethod
    def batch_scores(self, batch: Batch, negatives: Negatives) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores of the targets (n,), of the negatives (n, m), and a loss to add."""

    @abstractmethod
    def all_scores(self, batch: Batch) -> Tensor:
        """Return the scores that search stands for, of every item, (n, n_items)."""


@dataclass(slots=True)
class Trained:
    """How training went.

    Attributes
    ----------
    epochs : that the kept weights were trained for.
    validation : score after each epoch, higher is better; empty without validation.
    """

    epochs: int = 0
    validation: list[float] = field(default_factory=list)


def train_model(
    model: RankingModel,
    train: Interactions,
    validation: HeldOut | None,
    params: TrainingParams,
    seed: int,
    progress: Progress,
    stop_after: int | None = None,
) -> Trained:
    """Train ``model`` in place and leave the weights of the best epoch in it.

    Without ``validation`` the last epoch's are kept, or those of epoch ``stop_after``: the learning
    rate falls as if all epochs were to come, so a refit goes the way that the fit went. On the CPU
    the same seed, data and parameters give the same weights, whatever ran before in the process.
    """
    with _adding_in_order(model):
        return _train(model, train, validation, params, seed, progress, stop_after)


@contextlib.contextmanager
def _adding_in_order(model: RankingModel) -> Iterator[None]:
    """Let torch's CPU operations add in a fixed order: threads otherwise add as they come."""
    before = torch.are_deterministic_algorithms_enabled()
    on_host = next(model.parameters()).device.type == "cpu"
    torch.use_deterministic_algorithms(before or on_host)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _train(
    model: RankingModel,
    train: Interactions,
    validation: HeldOut | None,
    params: TrainingParams,
    seed: int,
    progress: Progress,
    stop_after: int | None,
) -> Trained:
    torch.manual_seed(derive_seed(seed, "torch"))
    random = generator(seed, "batches")
    sampler = NegativeSampler(train, params.n_negatives, generator(seed, "negatives"))
    optimizer = torch.optim.Adam(model.parameters(), lr=params.learning_rate)
    judge = None if validation is None else _judge(model, validation, train, params, seed)
    trained, best = Trained(), -np.inf
    kept: dict[str, Any] | None = None
    recent: list[Batch] = []
    for epoch in range(stop_after or params.epochs):
        for group in optimizer.param_groups:
            group["lr"] = params.learning_rate * (1 - 0.9 * epoch / max(params.epochs - 1, 1))
        model.begin_epoch(epoch, recent)
        recent = []
        model.train()
        for batch in epoch_batches(train, params.batch_size, params.max_history, random):
            _step(model, optimizer, batch, sampler.draw())
            recent = [*recent[1 - RECENT_BATCHES :], batch]
        note = ""
        if judge is not None:
            score = judge()
            trained.validation.append(score)
            note = f"validation {score:.4f}"
            if score > best and not model.is_warming_up:
                best, trained.epochs = score, epoch + 1
                kept = copy.deepcopy(model.state_dict())
        progress("train", epoch + 1, params.epochs, note)
        if kept is not None and epoch + 1 - trained.epochs >= params.patience:
            break
    if kept is None:
        trained.epochs = stop_after or params.epochs
    else:
        model.load_state_dict(kept)
    model.eval()
    return trained


def _step(
    model: RankingModel, optimizer: torch.optim.Optimizer, batch: Batch, negatives: Negatives
) -> None:
    positive, negative, extra = model.batch_scores(batch, negatives)
    device = negative.device
    targets = torch.from_numpy(batch.targets).to(device)
    items = torch.from_numpy(negatives.items).to(device)
    is_target = targets[:, None] == items[None, :]
    log_expected = negatives.log_expected.to(device)
    loss = sampled_softmax(positive, negative, log_expected, is_target) + extra
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _judge(
    model: RankingModel,
    validation: HeldOut,
    train: Interactions,
    params: TrainingParams,
    seed: int,
) -> Callable[[], float]:
    """Return a function that scores the model on a fixed sample of the validation queries."""
    n = len(validation)
    chosen = generator(seed, "validation").permutation(n)[:VALIDATION_QUERIES]
    blocks = [
        chosen[start : start + SCORED_AT_ONCE] for start in range(0, len(chosen), SCORED_AT_ONCE)
    ]

    def judge() -> float:
        model.eval()
        with torch.no_grad():
            gains = [_discounts(model, validation, rows, train, params) for rows in blocks]
        return float(np.concatenate(gains).mean())

    return judge


def _discounts(
    model: RankingModel,
    validation: HeldOut,
    rows: IntArray,
    train: Interactions,
    params: TrainingParams,
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return 1 / log2(1 + rank) of each held-out item among all items that may be returned.

    It is the gain of NDCG without a cut, so that every held-out item speaks.
    """
    queries, relevant = validation.queries.take(rows), validation.relevant.take(rows)
    history = queries.history.tail(params.max_history) if train.ordered else queries.history
    scores = model.all_scores(Batch(np.zeros(0, np.int64), history, queries.fields)).cpu()
    scores[queries.hidden.rows, queries.hidden.ids] = -torch.inf
    of_relevant = scores[relevant.rows, relevant.ids]
    above = (scores[relevant.rows] > of_relevant[:, None]).sum(dim=1)
    tied = (scores[relevant.rows] == of_relevant[:, None]).sum(dim=1) - 1
    rank = 1 + above + tied / 2  # a model that ties everything is not called perfect
    discounts: np.ndarray[Any, np.dtype[np.float32]] = (1 / torch.log2(1 + rank)).numpy()
    return discounts
