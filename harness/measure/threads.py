"""Threads: every pool that works is set to one number, and what it is set to is read back."""

import os
from collections.abc import Mapping

import numba
import threadpoolctl
import torch


def set_threads(n_threads: int) -> Mapping[str, int]:
    """Set torch, numba and every BLAS and OpenMP pool (faiss's too) and return what each says.

    numba cannot exceed the NUMBA_NUM_THREADS its process started with.
    """
    torch.set_num_threads(n_threads)
    numba.set_num_threads(min(n_threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    threadpoolctl.threadpool_limits(n_threads)
    pools = {
        f"{pool['internal_api']}:{os.path.basename(pool['filepath'])}": int(pool["num_threads"])  # noqa: PTH119  a key, not a path
        for pool in threadpoolctl.threadpool_info()
    }
    return {"torch": torch.get_num_threads(), "numba": numba.get_num_threads(), **pools}
