"""Where a trial's method leaves the state of its training, for a later attempt to go on from."""

import contextlib
import shutil
from pathlib import Path

from harness.measure.machine import describe_environment, describe_machine
from harness.record import Status
from harness.run.code import code_of
from harness.run.ending import Ending
from harness.run.trial_spec import Place, TrialSpec, digest

# A trial that ended so may run again under another limit; any other ending is an answer.
GOES_ON = (Status.TIMEOUT, Status.OUT_OF_MEMORY)


def checkpoint_folder(spec: TrialSpec, place: Place, data_hash: str) -> Path:
    """Return ``checkpoints/<trial id>/<what else the work depends on>`` of the results.

    The second part stands for code, data, machine and libraries: of others nothing is taken over,
    and what they left is removed.
    """
    own = _folder(spec, place)
    work = [code_of(spec.method), data_hash, describe_machine(), describe_environment()]
    folder = own / digest(work)
    if own.is_dir():
        for other in own.iterdir():
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
    return folder


def remove_checkpoints(spec: TrialSpec, place: Place) -> None:
    """Remove what a trial left, and ``checkpoints`` unless another trial's folder is there."""
    folder = _folder(spec, place)
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


def remove_unless_it_goes_on(spec: TrialSpec, place: Place, ending: Ending) -> None:
    """Remove the checkpoints of a trial that ended, unless it met a limit."""
    if ending.status not in GOES_ON:
        remove_checkpoints(spec, place)


def _folder(spec: TrialSpec, place: Place) -> Path:
    return place.folder / "checkpoints" / spec.trial_id
