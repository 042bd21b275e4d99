"""Threads: every pool that works is set to one number, and what it is set to is read back.

A number set is not a number obeyed: libraries cap it, ignore it, or are loaded later with their own
default. So nothing here trusts what it set.
"""

import contextlib
import os
from collections.abc import Mapping

import numba
import threadpoolctl
import torch

INTER_OP = "torch_interop"
# Nothing here uses torch's inter-op pool, whose threads would multiply those of the others. It can
# be set once in a process, so it is 1 while fitting too.
INTER_OP_THREADS = 1

Pools = Mapping[str, int]


def set_threads(n_threads: int) -> Pools:
    """Set torch, numba and every BLAS and OpenMP pool (faiss's too) and return what each says.

    numba cannot exceed the NUMBA_NUM_THREADS its process started with. OpenMP keeps the number by
    calling thread: what is timed runs in the thread that called this.
    """
    with contextlib.suppress(RuntimeError):  # set before, or at work already; reading it will tell
        torch.set_num_interop_threads(INTER_OP_THREADS)
    torch.set_num_threads(n_threads)
    numba.set_num_threads(min(n_threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
    threadpoolctl.threadpool_limits(n_threads)
    return read_pools()


def read_pools() -> Pools:
    """Return the number of threads of every pool by its own account, by name of the pool.

    Names are ``torch``, ``torch_interop``, ``numba``, and ``<api>:<file>`` for each BLAS and OpenMP
    library that is loaded: faiss brings an OpenMP of its own.
    """
    pools = {
        f"{pool['internal_api']}:{os.path.basename(pool['filepath'])}": int(pool["num_threads"])  # noqa: PTH119  a key, not a path
        for pool in threadpoolctl.threadpool_info()
    }
    return {
        "torch": torch.get_num_threads(),
        INTER_OP: torch.get_num_interop_threads(),
        "numba": numba.get_num_threads(),
        **pools,
    }


def verify_threads(n_threads: int, pools: Pools | None = None) -> tuple[Pools, list[str]]:
    """Read every pool back and say which does not have ``n_threads``.

    Parameters
    ----------
    pools : what `read_pools` returned; None reads them now.

    Returns
    -------
    pools : threads by pool. faults : a line for each pool that says otherwise; none when all obey.
    """
    found = read_pools() if pools is None else pools
    faults = [
        f"thread pool {name!r} has {count} threads, expected {expected}"
        for name, count in found.items()
        if count != (expected := INTER_OP_THREADS if name == INTER_OP else n_threads)
    ]
    return found, faults
