"""Devices: whether one is there, and what it is."""

from collections.abc import Mapping

import torch


def missing_device(device: str) -> str | None:
    """Return why ``device`` cannot be used here, or None when it can."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        return "no CUDA device"
    return None


def best_device() -> str:
    """Return "cuda" where a CUDA device is there, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def describe_device(device: str) -> Mapping[str, str | int]:
    """Return the model, memory in bytes and CUDA version of a GPU; nothing for the CPU."""
    if not device.startswith("cuda"):
        return {}
    properties = torch.cuda.get_device_properties(device)
    return {
        "gpu": properties.name,
        "gpu_memory_bytes": int(properties.total_memory),
        "cuda": str(torch.version.cuda),
    }
