"""Peak memory is the process's own, whatever its parent holds."""

import subprocess
import sys

import numpy as np

from harness.measure.memory import peak_host_bytes

CHILD = """
import sys
import numpy as np
from harness.measure.memory import peak_host_bytes
before = peak_host_bytes()
block = np.ones(int(sys.argv[1]), np.uint8)
del block
print(before, peak_host_bytes())
"""


def test_a_parents_memory_is_not_the_childs():
    """The parent holds 1 GB; the child, which took and freed 300 MB, says 300 MB more than before.

    Within 5 %: what is freed still was the peak.
    """
    held = np.ones(1_000_000_000, np.uint8)
    command = [sys.executable, "-c", CHILD, "300000000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after = (int(word) for word in done.stdout.split())
    assert before < 0.8e9 < held.nbytes <= peak_host_bytes()
    assert abs(after - before - 300e6) < 15e6
