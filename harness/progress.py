"""How long work tells what it is doing: one call per step that lasts a second or so."""

from typing import Protocol


class Progress(Protocol):
    """Receives news of a stage of work; the harness prints it, a test may ignore it."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Say that ``done`` of ``total`` steps of ``stage`` are over; ``note`` is free text."""


def silent(stage: str, done: int, total: int, note: str = "") -> None:
    """Ignore all news: the default of every method."""
