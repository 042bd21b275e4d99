"""Peak memory of this process: host from the kernel, device from torch's allocator."""

from pathlib import Path

import torch


def peak_host_bytes() -> int:
    """Return the largest resident set this process has had since it began its program, in bytes.

    VmHWM of Linux, which starts anew with the program; ru_maxrss would begin with the parent's.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) * 1024


def peak_device_bytes(device: str) -> int | None:
    """Return the most device memory torch had allocated, in bytes; None on the CPU.

    Memory that other libraries take on the device (faiss) is not in it.
    """
    if not device.startswith("cuda"):
        return None
    return int(torch.cuda.max_memory_allocated())
