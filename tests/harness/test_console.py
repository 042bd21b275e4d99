"""What a run shows: an honest estimate, and plain lines where there is no terminal."""

import io

from rich.console import Console

from harness.console import RunDisplay, TimeLeft, duration
from harness.record import Status
from harness.run.ending import Ending
from harness.run.messages import Stage


class Spec:
    case, device, seed = "two_tower", "cpu", 7


def test_the_estimate_is_the_mean_of_what_is_over():
    """Two trials of 10 and 20 s: three more, 5 s into the first, take 40 s; none over, no guess."""
    left = TimeLeft()
    assert left.estimate(3, 0.0) is None
    left.trial_over(10.0)
    left.trial_over(20.0)
    assert left.estimate(3, 5.0) == 40.0


def test_without_a_terminal_each_event_is_a_line():
    """A log file gets starts and ends, no control codes, and no line per epoch."""
    out = io.StringIO()
    display = RunDisplay(Console(file=out, width=200))
    display.trial_starts(1, 2, Spec)
    display.stage(Stage("train", 1, 10))
    display.trial_ends(Spec, Ending(Status.FAILED, "killed [by] SIGKILL"), 75.0)
    end = "failed: killed [by] SIGKILL in 1:15 min; about 1:15 min left"
    title = "[1/2] two_tower (cpu, seed 7)"
    assert out.getvalue().splitlines() == [f"{title}: starts", f"{title}: {end}"]


def test_on_a_terminal_the_stage_is_shown():
    """Which trial, which stage, how far."""
    out = io.StringIO()
    display = RunDisplay(Console(file=out, width=200, force_terminal=True))
    display.trial_starts(1, 2, Spec)
    display.stage(Stage("train", 3, 10, "validation 0.2"))
    display.trial_ends(Spec, Ending(Status.OK), 5.0)
    assert "train 3/10 validation 0.2" in out.getvalue()


def test_durations_read_naturally():
    """Seconds, minutes and hours."""
    assert [duration(s) for s in (7.4, 75, 3660)] == ["7 s", "1:15 min", "1:01 h"]
