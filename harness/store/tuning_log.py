"""The log of tunings: ``tuning.jsonl``, one trial a line, appended, flushed and never edited."""

from typing import ClassVar

from harness.store.lines import LineFile
from harness.tuning import TuningTrial


class TuningLog(LineFile[TuningTrial]):
    """The trials of one folder, of every study that was made there."""

    name: ClassVar[str] = "tuning.jsonl"

    def parse(self, line: str) -> TuningTrial:
        """Read a trial."""
        return TuningTrial.from_json(line)

    def line(self, entry: TuningTrial) -> str:
        """Return the line of a trial."""
        return entry.to_json()
