"""Every pool is set, read back, and a pool that says otherwise is named."""

import subprocess
import sys

from harness.measure.threads import INTER_OP, verify_threads

SET = """
import faiss
from harness.measure.threads import set_threads, verify_threads
for n_threads in (2, 1):
    set_threads(n_threads)
    pools, faults = verify_threads(n_threads)
    assert faults == [], faults
    assert pools["torch"] == pools["numba"] == n_threads == faiss.omp_get_max_threads()
    assert pools["torch_interop"] == 1
    openmp = [name for name in pools if name.startswith("openmp:")]
    assert openmp, pools
faiss.omp_set_num_threads(2)
print(*verify_threads(1)[1], sep="\\n")
"""


def test_all_pools_obey_and_a_change_behind_our_back_is_found():
    """A fresh process with NUMBA_NUM_THREADS=2, so that both sizes are possible on any machine.

    faiss's own OpenMP is set back to 2 by faiss itself: the pool is found by the name of its file.
    """
    command = ["env", "NUMBA_NUM_THREADS=2", sys.executable, "-c", SET]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "thread pool 'openmp:" in done.stdout
    assert "has 2 threads, expected 1" in done.stdout


def test_the_fault_names_the_pool():
    """Inter-op is 1 whatever was asked for; of the others each is compared with the number."""
    pools = {"torch": 4, INTER_OP: 1, "numba": 3}
    assert verify_threads(4, pools)[1] == ["thread pool 'numba' has 3 threads, expected 4"]
    assert verify_threads(1, {INTER_OP: 2})[1] == [
        "thread pool 'torch_interop' has 2 threads, expected 1"
    ]
