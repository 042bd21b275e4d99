"""The guardian of one trial: ``python -P -m harness.run.guardian PID ATTEMPT``.

It waits for its standard input to end, which happens when the run that started it is gone, and then
kills what the trial started. A worker could not do that itself while native code keeps its
interpreter. A byte on its input sends it away.
"""

import os
import sys

from harness.measure.process_tree import ProcessTree


def main(arguments: list[str]) -> int:
    """Wait for the end of the run, then end the trial."""
    root, attempt = arguments
    tree = ProcessTree(int(root), attempt)
    if not os.read(sys.stdin.fileno(), 1):
        tree.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
