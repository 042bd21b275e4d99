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


def test_a_trial_that_outlasts_the_mean_has_no_estimate_but_its_stage():
    """After 2 and 3 s, 300 s into the third of four: unknown, not 0; with 100 s of stage left, so.

    The mean is then (2 + 3 + 400) / 3 = 135 s: 100 s of this trial and 135 s of the next.
    """
    left = TimeLeft()
    left.trial_over(2.0)
    left.trial_over(3.0)
    assert left.estimate(2, 300.0) is None
    assert left.estimate(2, 300.0, 100.0) == 235.0


def test_without_a_terminal_a_long_trial_says_where_it_is(monkeypatch):
    """One line in half a minute, however many epochs end in it."""
    now = [0.0]
    monkeypatch.setattr("harness.console.time.monotonic", lambda: now[0])
    out = io.StringIO()
    display = RunDisplay(Console(file=out, width=200))
    display.trial_starts(1, 1, Spec)
    for epoch in range(1, 11):
        now[0] = epoch * 7.0
        display.stage(Stage("train", epoch, 10))
    lines = out.getvalue().splitlines()[1:]
    assert lines == [
        "[1/1] train 5/10, about 28 s left",
        "[1/1] train 10/10",
    ]


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
