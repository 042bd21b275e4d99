"""How a run shows itself: a live line on a terminal, one plain line per event elsewhere."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from harness.run.ending import Ending
from harness.run.messages import Stage
from harness.run.trial_spec import TrialSpec

PLAIN_LINE_S = 30.0  # between two lines of one trial where there is no terminal


def duration(seconds: float) -> str:
    """Return seconds as a person says them.

    >>> duration(7.31), duration(75), duration(3700)
    ('7 s', '1:15 min', '1:01 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    unit, whole = ("min", 60) if seconds < 3600 else ("h", 3600)
    return f"{int(seconds // whole)}:{int(seconds % whole * 60 // whole):02d} {unit}"


class TimeLeft:
    """An estimate of the time left: the mean of the trials that are over, times what is left."""

    def __init__(self) -> None:
        """Start with nothing known."""
        self._spent: list[float] = []

    def trial_over(self, seconds: float) -> None:
        """Count one finished trial."""
        self._spent.append(seconds)

    def estimate(
        self, trials_left: int, seconds_into_trial: float, stage_left: float | None = None
    ) -> float | None:
        """Return seconds left, ``trials_left`` counting the one under way; None while unknown.

        ``stage_left`` is what the stage under way still takes at its present rate, where that is
        known: then the trial is not said to end before its stage.
        """
        known = [*self._spent, seconds_into_trial + stage_left] if stage_left else self._spent
        if not known:
            return None
        mean = sum(known) / len(known)
        this = max(mean - seconds_into_trial, stage_left or 0.0)
        if trials_left and this <= 0.0:
            return None  # it takes longer than those before, and nobody knows how much
        return mean * max(trials_left - 1, 0) + (this if trials_left else 0.0)


class RunDisplay:
    """A `harness.run.runner.Listener` that writes to standard error."""

    def __init__(self, console: Console | None = None) -> None:
        """Write to ``console``; the default is standard error."""
        self._console = console or Console(stderr=True, highlight=False)
        self._left = TimeLeft()
        self._number = self._total = 0
        self._begun = time.monotonic()
        self._stage, self._stage_begun = "", self._begun
        self._said = self._begun
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def trial_starts(self, number: int, total: int, spec: TrialSpec) -> None:
        """Open the line of a trial."""
        self._number, self._total, self._begun = number, total, time.monotonic()
        self._said, self._stage = self._begun, ""
        title = f"[{number}/{total}] {spec.case} ({spec.device}, seed {spec.seed})"
        if not self._console.is_terminal:
            self._say(f"{title}: starts")
            return
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[news]}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task(title.replace("[", r"\["), news="", total=None)
        self._progress.start()

    def stage(self, stage: Stage) -> None:
        """Show where the trial is; without a terminal a line every half minute does."""
        if stage.name != self._stage:
            self._stage, self._stage_begun = stage.name, time.monotonic()
        news = f"{stage.name} {stage.done}/{stage.total} {stage.note}".strip()
        news += self._time_left(stage)
        if self._progress is None or self._task is None:
            if time.monotonic() - self._said >= PLAIN_LINE_S:
                self._said = time.monotonic()
                self._say(f"[{self._number}/{self._total}] {news}")
            return
        self._progress.update(
            self._task, news=news, completed=stage.done, total=max(stage.total, 1)
        )

    def trial_ends(self, spec: TrialSpec, ending: Ending, seconds: float) -> None:
        """Close the line of a trial with what became of it."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = self._task = None
        self._left.trial_over(seconds)
        word = ending.status if ending.reason is None else f"{ending.status}: {ending.reason}"
        left = self._left.estimate(self._total - self._number, 0.0)
        more = f"; about {duration(left)} left" if left else ""
        title = f"[{self._number}/{self._total}] {spec.case} ({spec.device}, seed {spec.seed})"
        self._say(f"{title}: {word} in {duration(seconds)}{more}")

    def _time_left(self, stage: Stage) -> str:
        now = time.monotonic()
        rest = None
        if 0 < stage.done <= stage.total:
            rest = (now - self._stage_begun) * (stage.total - stage.done) / stage.done
        left = self._left.estimate(self._total - self._number + 1, now - self._begun, rest)
        return "" if left is None else f", about {duration(left)} left"

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)
