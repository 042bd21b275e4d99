"""LearnedRetriever: the life of a method that `train_model` trains, from fit to its account."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch

from harness.arrays import load_arrays, save_arrays
from harness.fields import Fields, describe_fields, empty_fields
from harness.interactions import HeldOut, Interactions
from harness.retriever import Capability, Footprint, Retriever
from methods.encoders.state import load_state, state_arrays
from methods.training.checkpoint import Checkpointing
from methods.training.loop import train_model
from methods.training.model import RankingModel
from methods.training.trained import Trained, histories, seconds_taken_over

Model = TypeVar("Model", bound=RankingModel)


class LearnedRetriever(Retriever, Generic[Model]):
    """Trains a model in `fit` and `refit`, with checkpoints, hands it on, and accounts for it.

    A subclass makes the model in `new_model`, and finds it trained in ``_model`` when it builds. It
    saves `training_facts` or `log_and_training_facts` among its facts, gives them back when it
    loads, and makes its footprint with `account`. ``build_params`` are
    `methods.training.TrainingParams`, with more behind them; those in ``index_params`` are read by
    neither model nor training, so that a model serves under others too.

    Attributes
    ----------
    kind : the name that what is saved bears.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset(
        {Capability.VALIDATION, Capability.REFIT, Capability.SAVE_FIT}
    )
    kind: ClassVar[str]

    _model: Model
    _ordered: bool  # of the training log, as is the schema of queries' fields
    _query_schema: Fields | None
    _trainings: dict[str, Trained]
    _epochs: int

    @classmethod
    def check_log(cls, build_params: Any, log: Interactions) -> None:
        """Refuse what the parameters refuse."""
        build_params.check_log(log)

    @abstractmethod
    def new_model(self, train: Interactions) -> Model:
        """Return the model before training, on the method's device; torch is seeded."""

    def as_read(
        self, train: Interactions, validation: HeldOut | None
    ) -> tuple[Interactions, HeldOut | None]:
        """Return log and validation part as the model reads them; the default changes nothing."""
        return train, validation

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
        log, asked = self.as_read(train, validation)
        self._make_model(log)
        trained = train_model(
            self._model,
            log,
            asked,
            self.build_params,
            self.seed,
            self.progress,
            stop_after,
            Checkpointing.of_phase(self.checkpoint_folder, phase),
        )
        self._epochs, self._trainings[phase] = trained.epochs, trained

    def _make_model(self, log: Interactions) -> None:
        self._ordered, self._query_schema = log.ordered, log.query_schema
        self._model = self.new_model(log)

    def save_fit(self, folder: Path) -> None:
        """Write the weights of the model and how they were trained."""
        arrays = state_arrays(self._model, "model")
        save_arrays(folder, f"{self.kind}_fit", arrays, self.training_facts())

    def load_fit(self, folder: Path, train: Interactions) -> None:
        """Make the model for a training log, and give it the weights."""
        arrays, facts = load_arrays(folder, f"{self.kind}_fit")
        self._make_model(self.as_read(train, None)[0])
        load_state(self._model, "model", arrays, self.device)
        self.take_training_facts(facts)

    def training_facts(self) -> dict[str, Any]:
        """Return what a saved method tells of its training, as JSON takes it."""
        return {"epochs": self._epochs, "history": histories(self._trainings)}

    def take_training_facts(self, facts: Mapping[str, Any]) -> None:
        """Become as much of a trained method as `training_facts` told."""
        self._epochs = int(facts["epochs"])
        self._trainings = Trained.of_histories(facts["history"])

    def log_and_training_facts(self) -> dict[str, Any]:
        """Return `training_facts`, the fields of queries and whether the log has an order."""
        schema = describe_fields(self._query_schema)
        return {"fields": schema, "ordered": self._ordered, **self.training_facts()}

    def take_log_and_training_facts(self, facts: Mapping[str, Any]) -> None:
        """Become as much of a trained method as `log_and_training_facts` told."""
        self._query_schema, self._ordered = empty_fields(facts["fields"]), bool(facts["ordered"])
        self.take_training_facts(facts)

    def account(self, index_bytes: int, details: Mapping[str, float]) -> Footprint:
        """Return the footprint: the bytes, ``epochs`` and further details, how training went."""
        return Footprint(
            index_bytes,
            {"epochs": float(self._epochs), **details},
            histories(self._trainings),
            seconds_taken_over(self._trainings),
        )
