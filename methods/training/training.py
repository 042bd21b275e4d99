"""Training: one training under way: its epochs, what is kept of them, and its whole state."""

import copy
import json
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from harness.errors import MethodError
from harness.interactions import Interactions
from harness.progress import Progress
from harness.seeding import derive_seed, generator
from methods.batches import Batch, Batches
from methods.losses import below_one
from methods.negatives import Negatives, NegativeSampler
from methods.products import FUSED_FROM, Vectors, hinge_of_products, softmax_of_products
from methods.training.ahead import convert_step, made_ahead
from methods.training.model import RankingModel
from methods.training.params import TrainingParams
from methods.training.scored import loss_of_scores
from methods.training.trained import Trained

RECENT_EXAMPLES = 1 << 15  # in the batches shown to the model when an epoch begins, at least 8
N_AHEAD = 4  # batches that wait for a GPU
TELL_EVERY_S = 2.0  # how an epoch goes


class Training:
    """Epochs of one model over one log.

    Attributes
    ----------
    n_epochs : to come at most. The learning rate falls over ``params.epochs``.
    epoch : epochs done.
    trained : how they went.
    """

    def __init__(
        self, model: RankingModel, train: Interactions, params: TrainingParams, seed: int, n: int
    ) -> None:
        """Seed everything that draws; ``n`` epochs are to come at most."""
        torch.manual_seed(derive_seed(seed, "torch"))
        self.n_epochs, self.epoch, self.trained = n, 0, Trained()
        self._model, self._log, self._params = model, train, params
        self._device = next(model.parameters()).device
        self._random = generator(seed, "batches")
        self._negatives = generator(seed, "negatives")
        sampling = params.sampling(train.n_items)
        self._sampler = NegativeSampler(train, sampling, self._negatives)
        self._loss = model.ranking_loss = params.ranking_loss(train.n_items)
        self._optimizer = _optimizer_of(model, params)
        self._recent: list[Batch] = []
        self._n_recent = max(8, RECENT_EXAMPLES // params.batch_size)
        self._order = ""  # state of the batches' generator before the epoch last done
        self._best = -np.inf
        self._kept: dict[str, Any] | None = None

    @property
    def is_over(self) -> bool:
        """Return whether all epochs are done, patience has ended, or the loss is no number."""
        history = self.trained.history
        diverged = bool(history) and not math.isfinite(history[-1]["loss"])
        impatient = self.epoch - self.trained.epochs >= self._params.patience
        ended = diverged or self.epoch >= self.n_epochs
        return ended or (self._kept is not None and impatient)

    def run_epoch(self, judge: Callable[[], float] | None, progress: Progress) -> None:
        """Train one epoch, judge the model and keep its weights if they are the best yet.

        Raises
        ------
        MethodError
            The loss is not finite, and no weights are kept from before.
        """
        params, rate = self._params, self._params.learning_rate
        rate *= 1 - (1 - params.final_rate) * self.epoch / max(params.epochs - 1, 1)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._model.begin_epoch(self.epoch, self._recent)
        facts = {"epoch": self.epoch + 1.0, "learning_rate": rate, "loss": self._steps(progress)}
        self.epoch += 1
        if not math.isfinite(facts["loss"]) and self._kept is None:
            raise MethodError(
                f"training: the loss of epoch {self.epoch} of {self.n_epochs} is {facts['loss']}, "
                f"so its weights are of no use; try a learning_rate below {params.learning_rate:g}"
            )
        if judge is not None:
            facts["validation"] = self._judge(judge)
        facts |= {name: float(value) for name, value in self._model.epoch_facts().items()}
        self.trained.history.append(facts)
        progress("train", self.epoch, self.n_epochs, _in_words(facts))

    def finish(self) -> Trained:
        """Leave the kept weights in the model, those of the last epoch if none are kept."""
        if self._kept is None:
            self.trained.epochs = self.n_epochs
        else:
            self._model.load_state_dict(self._kept)
        self._model.eval()
        return self.trained

    def state(self) -> dict[str, Any]:
        """Return all that the next epoch depends on, tensors and plain values."""
        on_gpu = self._device.type == "cuda"
        return {
            "epoch": self.epoch,
            "model": self._model.state_dict(),
            "in_training_mode": self._model.training,  # not after a judge; `begin_epoch` meets it
            "optimizer": self._optimizer.state_dict(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self._device) if on_gpu else None,
            "order": self._order,
            "negatives": json.dumps(self._negatives.bit_generator.state),
            "best": self._best,
            "kept": self._kept,
            "kept_epochs": self.trained.epochs,
            "validation": self.trained.validation,
            "history": self.trained.history,
        }

    def take_over(self, state: dict[str, Any]) -> None:
        """Become the training whose `state` this is; the recent batches are made once more."""
        self.epoch, self._best, self._kept = state["epoch"], state["best"], state["kept"]
        self._model.load_state_dict(state["model"])
        self._model.train(state["in_training_mode"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.trained = Trained(state["kept_epochs"], state["validation"], state["history"])
        self._negatives.bit_generator.state = json.loads(state["negatives"])
        self._random.bit_generator.state = json.loads(state["order"])
        batches = self._draw_order()
        self._recent = [batches[place] for place in range(len(batches))[-self._n_recent :]]
        torch.set_rng_state(state["torch"])
        if state["cuda"] is not None:
            torch.cuda.set_rng_state(state["cuda"], self._device)

    def _draw_order(self) -> Batches:
        self._order = json.dumps(self._random.bit_generator.state)
        batches = self._model.draw_batches(self._log, self._params, self._random)
        self._sampler.expect_targets(batches)
        return batches

    def _steps(self, progress: Progress) -> float:
        """Make a step of every batch and return the mean loss of an example."""
        batches = self._draw_order()
        self._model.train()
        self._recent, told = [], time.monotonic()
        total = torch.zeros((), device=self._device)
        for number, (batch, negatives) in enumerate(self._feed(batches), 1):
            total += self._step(batch, negatives) * len(batch.targets)
            self._recent = [*self._recent[1 - self._n_recent :], batch]
            if time.monotonic() - told >= TELL_EVERY_S:
                told = time.monotonic()
                note = f"step {number} of {len(batches)}"
                progress("train", self.epoch, self.n_epochs, note)
        return float(total) / max(batches.n_examples, 1)

    def _feed(self, batches: Batches) -> Iterator[tuple[Batch, Negatives]]:
        """Yield each batch with its negatives; for a GPU another thread makes them ahead."""
        steps = ((batch, self._draw(batch)) for batch in batches)
        if self._device.type == "cpu":
            return steps
        return made_ahead(map(convert_step, steps), N_AHEAD)

    def _draw(self, batch: Batch) -> Negatives:
        seen = self._model.seen_items(batch) if self._params.mask_seen else None
        return self._sampler.draw(batch.targets, seen, batch.sequences)

    def _step(self, batch: Batch, negatives: Negatives) -> torch.Tensor:
        """Make a step and return the loss, a scalar on the device."""
        loss = self._loss_of(batch, negatives)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        return loss.detach()

    def _loss_of(self, batch: Batch, negatives: Negatives) -> torch.Tensor:
        n, device = len(batch.targets), self._device
        reduced = self._params.precision == "bfloat16"
        with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
            if self._goes_in_blocks(n, negatives):
                vectors = self._model.batch_vectors(batch, negatives)
                if vectors is not None:
                    return self._fused(vectors, negatives)
            positive, negative, extra = self._model.batch_scores(batch, negatives)
        return loss_of_scores(self._loss, positive, negative, negatives) + extra

    def _goes_in_blocks(self, n: int, negatives: Negatives) -> bool:
        """Return whether the loss of n examples is worth more than its plain formula.

        That of the hinge always is: it has its gradient with its value, and needs no mask.
        """
        if negatives.are_own or not self._loss.goes_in_blocks:
            return False
        return not self._loss.is_softmax or n * negatives.items.shape[-1] >= FUSED_FROM

    def _fused(self, vectors: Vectors, negatives: Negatives) -> torch.Tensor:
        """Return the loss of inner products without their scores."""
        pairs = negatives.excluded_pairs(self._device)
        if not self._loss.is_softmax:
            positive = (vectors.queries * vectors.targets).sum(1).float()
            above = hinge_of_products(
                vectors.queries, vectors.negatives, self._loss.ccl_margin, pairs
            )
            return below_one(positive).mean() + self._loss.ccl_weight * above + vectors.extra
        log_expected = negatives.log_expected.to(self._device, non_blocking=True)
        queries = vectors.queries / self._loss.temperature
        positive = (queries * vectors.targets).sum(1).float()
        loss = softmax_of_products(positive, queries, vectors.negatives, log_expected, pairs)
        return loss + vectors.extra

    def _judge(self, judge: Callable[[], float]) -> float:
        score = judge()
        self.trained.validation.append(score)
        if score > self._best and not self._model.is_warming_up:
            self._best, self.trained.epochs = score, self.epoch
            self._kept = copy.deepcopy(self._model.state_dict())
        return score


def _optimizer_of(model: RankingModel, params: TrainingParams) -> torch.optim.Optimizer:
    """Return Adam, or AdamW; fused, a pass over the weights where torch otherwise makes several."""
    if params.weight_decay > 0:
        return torch.optim.AdamW(
            model.parameters(),
            lr=params.learning_rate,
            weight_decay=params.weight_decay,
            fused=True,
        )
    return torch.optim.Adam(model.parameters(), lr=params.learning_rate, fused=True)


def _in_words(facts: dict[str, float]) -> str:
    """Return the facts of an epoch in a line, the validation score first.

    >>> _in_words({"epoch": 3.0, "learning_rate": 0.1, "loss": 2.5, "validation": 0.25})
    'validation 0.2500, loss 2.5000'
    """
    shown = {**{name: facts[name] for name in ("validation",) if name in facts}, **facts}
    return ", ".join(
        f"{name} {value:.0f}" if value.is_integer() else f"{name} {value:.4f}"
        for name, value in shown.items()
        if name not in ("epoch", "learning_rate")
    )
