"""Where a trial saves its method for a moment; a trial that is killed cannot clean up itself."""

import contextlib
import shutil
from pathlib import Path

from harness.run.trial_spec import Place, TrialSpec


def saved_folder(spec: TrialSpec, place: Place) -> Path:
    """Return the folder ``saved/<trial id>`` of the results."""
    return place.folder / "saved" / spec.trial_id


def remove_saved(spec: TrialSpec, place: Place) -> None:
    """Remove it, which may be gigabytes, and ``saved`` unless another trial's folder is there."""
    folder = saved_folder(spec, place)
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.parent.rmdir()
