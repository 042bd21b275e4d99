"""Checkpoints: the whole state of a training in one file, so that an interrupted one goes on."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harness.errors import MethodError

SCHEMA = 1
NAME = "training.pt"
LEAST_S = 10.0  # between two checkpoints of a trial: writing stays a small part of training


@dataclass(frozen=True, slots=True)
class Checkpointing:
    """Where and how often a training writes its state; it starts from what lies there.

    Attributes
    ----------
    folder : made when the first checkpoint is written; one training has it for itself.
    every_epochs : a checkpoint is due after each so many epochs, and after the last.
    least_s : seconds since the one before, or since the start, below which none is written.
    """

    folder: Path
    every_epochs: int = 1
    least_s: float = 0.0

    @classmethod
    def of_phase(cls, folder: Path | None, phase: str) -> "Checkpointing | None":
        """Return that of one phase of a trial, ``fit`` or ``refit``; none without a folder.

        ``folder`` is `harness.retriever.Retriever.checkpoint_folder`.
        """
        return None if folder is None else cls(folder / phase, least_s=LEAST_S)

    @property
    def path(self) -> Path:
        """Return the file."""
        return self.folder / NAME

    def write(self, state: Mapping[str, Any], identity: Mapping[str, str]) -> None:
        """Replace the file; a reader, or a new start after a crash, sees the old one or the new."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        with partial.open("wb") as file:
            torch.save({"schema": SCHEMA, "identity": dict(identity), "state": dict(state)}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)

    def read(self, identity: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the state, its tensors on the host, or None where nothing was written.

        Only tensors and plain values are read: a file that holds code is refused.

        Raises
        ------
        MethodError
            The file cannot be read, has another schema, or is of a training that differs from
            ``identity``; says in what.
        """
        if not self.path.is_file():
            return None
        try:
            found = torch.load(self.path, map_location="cpu", weights_only=True)
            schema, there, state = found["schema"], found["identity"], found["state"]
        except Exception as error:  # torch raises whatever a damaged archive leads it to
            why = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise MethodError(f"{self.path}: is no checkpoint to go on from: {why}") from error
        if schema != SCHEMA:
            raise MethodError(f"{self.path}: has schema {schema!r}; this program reads {SCHEMA}")
        differing = [
            f"{name} = {there.get(name)}, expected {identity.get(name)}"
            for name in {**identity, **there}
            if there.get(name) != identity.get(name)
        ]
        if differing:
            raise MethodError(
                f"{self.path}: is a checkpoint of another training: {'; '.join(differing)}; "
                "remove it to train from the start"
            )
        return dict(state)


class Pace:
    """Says when a checkpoint is due, and how long the training has taken."""

    def __init__(self, checkpoints: Checkpointing, taken_over_s: float) -> None:
        """Start the clock at the seconds that were taken over."""
        self._checkpoints = checkpoints
        self._started = time.monotonic() - taken_over_s
        self._written = time.monotonic()

    @property
    def seconds(self) -> float:
        """Return the seconds of training so far, those taken over included.

        The harness times a method; what an interrupted attempt had spent it cannot know.
        """
        return time.monotonic() - self._started

    def is_due(self, n_epochs: int, *, is_last: bool) -> bool:
        """Return whether to write after ``n_epochs`` epochs; if so the next is counted from now."""
        now = time.monotonic()
        due = is_last or n_epochs % self._checkpoints.every_epochs == 0
        if not due or now - self._written < self._checkpoints.least_s:
            return False
        self._written = now
        return True
