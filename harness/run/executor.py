"""The executor: one fresh process per trial, limits on it and all it starts, always a record."""

import contextlib
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.measure.cpus import allowed_cpus, choose_cpus, kept_away_from
from harness.measure.exhaustion import kernel_kills
from harness.record import Record, Status
from harness.run.channel import Channel, Garbage
from harness.run.ending import Ending, death, over_memory, over_time, told_out_of_memory
from harness.run.memory_guard import LOOK_EVERY_S, MemoryGuard
from harness.run.messages import Failure, Finished, Message, OutOfMemory, Scored, Skipped, Stage
from harness.run.spawn import Worker, spawned_worker
from harness.run.trial_spec import Place, TrialSpec

POLL_S = 0.5
LEAVE_WITHIN_S = 10.0  # for a worker that has said its last word
LAST_CHUNKS = 32  # more than a pipe holds

OnStage = Callable[[Stage], None]
OnRecord = Callable[[Record], None]
OnScored = Callable[[Scored], None]


def _unasked(scored: Scored) -> None:
    """Take no note: only trials of `matchbench tune` come to a score."""


def execute(
    spec: TrialSpec,
    place: Place,
    on_stage: OnStage,
    on_record: OnRecord,
    on_scored: OnScored = _unasked,
) -> Ending:
    """Run one trial in a process of its own and hand on its records, or its score, as they come.

    All processes of the trial are killed at its time limit, at its memory limit, when its worker
    has ended, and when this call is left by an exception (Ctrl-C); see `ProcessTree` for how they
    are found. Meanwhile this process keeps off the CPUs that are measured on, where there are
    others. What the trial prints goes to ``logs/<trial id>.log``.
    """
    log_path = place.folder / "logs" / f"{spec.trial_id}.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    attempt = _Attempt(spec, f"(log: logs/{log_path.name})", on_stage, on_record, on_scored)
    measuring = choose_cpus(allowed_cpus() or (), spec.threads)
    with (
        log_path.open("wb") as log,
        spawned_worker(spec, place, log) as worker,  # it may use every CPU that this process may
        kept_away_from(measuring),
    ):
        return attempt.follow(worker)


@dataclass(slots=True)
class _Attempt:
    """One attempt as the run sees it: the stage it is in, and its ending once that is known."""

    spec: TrialSpec
    log: str
    on_stage: OnStage
    on_record: OnRecord
    on_scored: OnScored
    stage: str = "start"
    ending: Ending | None = None
    is_trusted: bool = True

    def follow(self, worker: Worker) -> Ending:
        """Listen, and look at the limits, until the worker has ended or must."""
        deadline = time.monotonic() + self.spec.time_limit_s
        guard = MemoryGuard(worker.tree, self.spec.memory_limit_bytes)
        wait_s = POLL_S if self.spec.memory_limit_bytes is None else LOOK_EVERY_S
        kills = kernel_kills()
        has_ended = False
        while self.ending is None and not has_ended:
            if time.monotonic() > deadline:
                return replace(over_time(self.spec, self.stage), held_bytes=guard.held_bytes)
            if guard.is_exceeded():
                held, n_processes = guard.held_bytes or 0, len(worker.tree.living())
                return over_memory(self.spec, self.stage, held, n_processes)
            has_ended = worker.process.poll() is not None  # before listening: nothing comes after
            self._listen(worker, wait_s=0.0 if has_ended else wait_s, is_last=has_ended)
        if self.ending is None:
            n_kills = (kernel_kills() or 0) - (kills or 0)
            self.ending = death(worker.process.returncode, self.stage, self.log, n_kills)
        elif self.is_trusted:
            with contextlib.suppress(subprocess.TimeoutExpired):  # then it is killed
                worker.process.wait(LEAVE_WITHIN_S)
        return replace(self.ending, held_bytes=guard.held_bytes)

    def _listen(self, worker: Worker, wait_s: float, *, is_last: bool) -> None:
        """Take in what is there, one chunk of it unless it is the last."""
        if not worker.channel.is_open and not is_last:  # it closed its end; it ends soon, or hangs
            with contextlib.suppress(subprocess.TimeoutExpired):
                worker.process.wait(wait_s)
        for _ in range(LAST_CHUNKS if is_last else 1):
            if worker.channel.is_open:
                self._take_all(worker.channel, wait_s)

    def _take_all(self, channel: Channel, wait_s: float) -> None:
        for message in channel.read(wait_s):
            if self.ending is None:  # the first last word stands
                self._take(message)

    def _take(self, message: Message | Garbage) -> None:
        match message:
            case Stage(name):
                self.stage = name
                self.on_stage(message)
            case Record():
                self.on_record(message)
            case Scored():
                self.on_scored(message)
            case Failure(reason):
                self.ending = Ending(Status.FAILED, f"{reason} {self.log}")
            case OutOfMemory(reason):
                self.ending = told_out_of_memory(self.spec, reason, self.stage, self.log)
            case Skipped(reason):
                self.ending = Ending(Status.SKIPPED, reason)
            case Finished():
                self.ending = Ending(Status.OK)
            case Garbage(fault):
                self.is_trusted = False
                reason = f"the worker sent something that is no message: {fault} {self.log}"
                self.ending = Ending(Status.FAILED, reason)
