"""Peak memory of this process: host from the kernel, device from torch's allocator."""

import resource

import torch


def peak_host_bytes() -> int:
    """Return the largest resident set this process has had, in bytes (Linux reports KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def peak_device_bytes(device: str) -> int | None:
    """Return the most device memory torch had allocated, in bytes; None on the CPU.

    Memory that other libraries take on the device (faiss) is not in it.
    """
    if not device.startswith("cuda"):
        return None
    return int(torch.cuda.max_memory_allocated())
