"""Out of memory: which errors mean it, and whether the kernel killed for it."""

from pathlib import Path

import torch

# What libraries say that raise no MemoryError: torch's CPU allocator, faiss and other C++, fork.
_PHRASES = ("can't allocate memory", "cannot allocate memory", "bad_alloc", "out of memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory, of the host or of a device, ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    known = isinstance(error, RuntimeError | OSError)
    return known and any(phrase in text for phrase in _PHRASES)


def kernel_kills() -> int | None:
    """Return how many processes the kernel's OOM killer has ended since boot, on this machine.

    None where the kernel does not count them.
    """
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return None
    counts = [int(line.split()[1]) for line in lines if line.startswith("oom_kill ")]
    return counts[0] if counts else None
