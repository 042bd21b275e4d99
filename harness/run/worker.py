"""The child of one trial: ``python -P -m harness.run.worker FD ATTEMPT FOLDER [DATA_ROOT]``.

The spec comes as one line on standard input; messages go to the file descriptor ``FD``. When the
run is gone, `harness.run.guardian` ends the worker and all that it started.
"""

import contextlib
import faulthandler
import os
import sys
import traceback
from pathlib import Path

from harness.errors import HarnessError
from harness.measure.exhaustion import is_out_of_memory
from harness.measure.machine import commit
from harness.run.code import code_of
from harness.run.messages import Sender
from harness.run.trial import MissingDeviceError, run_trial
from harness.run.trial_spec import Place, TrialSpec
from harness.run.validation_trial import run_on_validation

OOM_SCORE = 500  # of 1000: as if it held half of the machine's memory more


def main(arguments: list[str]) -> int:
    """Run the trial on standard input; every fault becomes a message, never a silent end."""
    descriptor, attempt, folder, *root = arguments
    faulthandler.enable()  # a crash in native code leaves its place in the log
    os.set_inheritable(int(descriptor), False)  # the channel is this process's alone
    spec = TrialSpec.from_json(sys.stdin.buffer.readline().decode())
    place = Place(attempt, Path(folder), Path(root[0]) if root else None)
    # Both are kept by what they call: of the code that is loaded, not of what is edited meanwhile.
    code_of(spec.method)
    commit()
    _go_first()
    with os.fdopen(int(descriptor), "wb", buffering=0) as pipe:
        sender = Sender(pipe)
        try:
            run = run_trial if spec.part == "test" else run_on_validation
            run(spec, place, sender)
        except MissingDeviceError as error:
            sender.skipped(str(error))
            return 0
        except HarnessError as error:
            sender.failure(str(error))
            return 1
        except BaseException as error:  # whatever a method raises becomes a record
            traceback.print_exc()
            tell = sender.out_of_memory if is_out_of_memory(error) else sender.failure
            tell(f"{type(error).__name__}: {error}"[:500])
            return 1
        sender.finished()
    return 0


def _go_first() -> None:
    """Have the kernel, should memory run out, kill this process and its children before the run."""
    with contextlib.suppress(OSError):  # no such file on this system
        score = Path("/proc/self/oom_score_adj")
        score.write_text(str(min(int(score.read_text()) + OOM_SCORE, 1000)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
