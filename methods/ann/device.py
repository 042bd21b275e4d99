"""Indexes of faiss between host and GPU; says when faiss has no GPU build."""

from typing import Any

from harness.errors import MethodError
from methods.ann.faiss_index import load_faiss


def to_device(index: Any, device: str) -> Any:
    """Return a faiss index on a device: itself on the CPU, a copy on a GPU.

    Raises
    ------
    MethodError
        A GPU is asked of a faiss that was built without.
    """
    if not device.startswith("cuda"):
        return index
    faiss = load_faiss()
    if not has_gpu_build(faiss):
        raise MethodError(
            f"device {device!r}: faiss has no GPU build here; install the extra `gpu` (faiss-gpu) "
            "in the place of `cpu`"
        )
    number = int(device.partition(":")[2] or 0)
    return faiss.index_cpu_to_gpu(faiss.StandardGpuResources(), number, index)


def to_host(index: Any, device: str) -> Any:
    """Return an index that `to_device` placed, on the host."""
    return load_faiss().index_gpu_to_cpu(index) if device.startswith("cuda") else index


def has_gpu_build(faiss: Any) -> bool:
    """Return whether this faiss can use GPUs; a build without names them all the same."""
    return hasattr(faiss, "StandardGpuResources")
