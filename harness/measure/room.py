"""Room for data: an allocation that the machine cannot hold fails, and kills nothing."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

KEPT_FREE = 0.1  # of what is available: the kernel and others need some


@contextmanager
def memory_room(limit_bytes: int | None = None) -> Iterator[None]:
    """Let this process take at most ``limit_bytes`` more inside, and never what is not there.

    The kernel promises more memory than it has and kills a process that takes it by its word.
    Within a limit on the data segment (private writable mappings) numpy raises MemoryError
    instead. A limit that stands already and is lower stays.

    Parameters
    ----------
    limit_bytes : None: what is available.
    """
    available = int((1 - KEPT_FREE) * psutil.virtual_memory().available)
    room = available if limit_bytes is None else min(limit_bytes, available)
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = psutil.Process().memory_info().data + room
    if soft != resource.RLIM_INFINITY:
        wanted = min(wanted, soft)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
