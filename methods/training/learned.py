"""LearnedRetriever: the life of a method that `train_model` trains, from fit to its account."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

import torch

from harness.interactions import HeldOut, Interactions
from harness.retriever import Capability, Footprint, Retriever
from methods.training.checkpoint import Checkpointing
from methods.training.loop import train_model
from methods.training.model import RankingModel
from methods.training.trained import Trained, histories, seconds_taken_over

Model = TypeVar("Model", bound=RankingModel)


class LearnedRetriever(Retriever, Generic[Model]):
    """Trains a model in `fit` and `refit`, with checkpoints, and accounts for it.

    A subclass makes the model in `new_model`, and finds it trained in ``_model`` when it builds. It
    saves `training_facts` among its facts, gives them back when it loads, and makes its footprint
    with `account`. ``build_params`` are `methods.training.TrainingParams`, with more behind them.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.VALIDATION, Capability.REFIT}
    )

    _model: Model
    _trainings: dict[str, Trained]
    _epochs: int

    @abstractmethod
    def new_model(self, train: Interactions) -> Model:
        """Return the model before training, on the method's device; torch is seeded."""

    def fit(self, train: Interactions, validation: HeldOut | None = None) -> None:
        """Train until the validation score has not risen for ``patience`` epochs."""
        self._trainings = {}
        self._train("fit", train, validation)

    def refit(self, train: Interactions) -> None:
        """Train from the start on all events for the number of epochs that `fit` found best."""
        self._train("refit", train, None, stop_after=self._epochs)

    def _train(
        self,
        phase: str,
        train: Interactions,
        validation: HeldOut | None,
        *,
        stop_after: int | None = None,
    ) -> None:
        torch.manual_seed(self.seed)
        self._model = self.new_model(train)
        trained = train_model(
            self._model,
            train,
            validation,
            self.build_params,
            self.seed,
            self.progress,
            stop_after,
            Checkpointing.of_phase(self.checkpoint_folder, phase),
        )
        self._epochs, self._trainings[phase] = trained.epochs, trained

    def training_facts(self) -> dict[str, Any]:
        """Return what a saved method tells of its training, as JSON takes it."""
        return {"epochs": self._epochs, "history": histories(self._trainings)}

    def take_training_facts(self, facts: Mapping[str, Any]) -> None:
        """Become as much of a trained method as `training_facts` told."""
        self._epochs = int(facts["epochs"])
        self._trainings = Trained.of_histories(facts["history"])

    def account(self, index_bytes: int, details: Mapping[str, float]) -> Footprint:
        """Return the footprint: the bytes, ``epochs`` and further details, how training went."""
        return Footprint(
            index_bytes,
            {"epochs": float(self._epochs), **details},
            histories(self._trainings),
            seconds_taken_over(self._trainings),
        )
