"""Indexes of faiss between host and GPU; says when faiss has no GPU build."""

from typing import Any

from harness.errors import MethodError
from methods.ann.faiss_library import load_faiss

MOST_K = 2048  # neighbours that faiss selects on a GPU


def is_gpu(device: str) -> bool:
    """Return whether a device is a GPU."""
    return device.startswith("cuda")


def to_device(index: Any, device: str) -> Any:
    """Return a faiss index on a device: itself on the CPU, a copy on a GPU.

    Raises
    ------
    MethodError
        A GPU is asked of a faiss that was built without.
    """
    if not is_gpu(device):
        return index
    faiss = gpu_faiss(device)
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), gpu_number(device), index)


def to_host(index: Any, device: str) -> Any:
    """Return an index that `to_device` placed, on the host."""
    return load_faiss().index_gpu_to_cpu(index) if is_gpu(device) else index


def gpu_number(device: str) -> int:
    """Return which GPU a device is.

    >>> gpu_number("cuda"), gpu_number("cuda:3")
    (0, 3)
    """
    return int(device.partition(":")[2] or 0)


def gpu_faiss(device: str) -> Any:
    """Return faiss, which can use GPUs; raises as `to_device`."""
    faiss = load_faiss()
    if not has_gpu_build(faiss):
        raise MethodError(
            f"device {device!r}: faiss has no GPU build here; install the extra `gpu` (faiss-gpu) "
            "in the place of `cpu`"
        )
    return faiss


def has_gpu_build(faiss: Any) -> bool:
    """Return whether this faiss can use GPUs; a build without names them all the same."""
    return hasattr(faiss, "StandardGpuResources")
