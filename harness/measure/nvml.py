"""NVML: what the NVIDIA driver says of a GPU; everything is optional and None where it is not told.

Devices are numbered as torch numbers them: CUDA_VISIBLE_DEVICES may hide or reorder what the driver
counts, so a device is found by its UUID where torch is at work on one.
"""

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any

import pynvml
import torch

# Reasons for which the driver holds clocks below what is asked for, by their bit in NVML. That the
# GPU idles or that somebody set its clocks is no throttling.
THROTTLE_REASONS: Mapping[int, str] = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
MHZ = 1_000_000

Backend = Any  # the module pynvml, or what a test puts in its place


def gpu_state(index: int = 0, backend: Backend = pynvml) -> Mapping[str, Any] | None:
    """Return driver, clocks in Hz, temperature, power, throttle reasons and other processes.

    None where NVML or the device is not there; a value the driver does not tell is None.
    """
    handle = _handle(index, backend)
    if handle is None:
        return None
    ask = functools.partial(_ask, backend)
    bits = ask("nvmlDeviceGetCurrentClocksEventReasons", handle)
    milliwatts = ask("nvmlDeviceGetPowerUsage", handle)
    return {
        "driver": ask("nvmlSystemGetDriverVersion"),
        "model": ask("nvmlDeviceGetName", handle),
        "sm_clock_hz": _hertz(ask("nvmlDeviceGetClockInfo", handle, backend.NVML_CLOCK_SM)),
        "max_sm_clock_hz": _hertz(ask("nvmlDeviceGetMaxClockInfo", handle, backend.NVML_CLOCK_SM)),
        "memory_clock_hz": _hertz(ask("nvmlDeviceGetClockInfo", handle, backend.NVML_CLOCK_MEM)),
        "temperature_c": ask("nvmlDeviceGetTemperature", handle, backend.NVML_TEMPERATURE_GPU),
        "power_w": None if milliwatts is None else milliwatts / 1000,
        "throttle_reasons": None if bits is None else throttle_reasons(bits),
        "other_processes": _other_processes(ask("nvmlDeviceGetComputeRunningProcesses", handle)),
        "used_bytes": device_memory_used(index, backend),
    }


def throttle_reasons(bits: int) -> list[str]:
    """Return the names of the reasons that slow a GPU down.

    >>> throttle_reasons(0x01 | 0x04 | 0x40)  # idle, which is none, and two that are
    ['power cap', 'hardware thermal slowdown']
    """
    return [name for bit, name in THROTTLE_REASONS.items() if bits & bit]


def device_memory_used(index: int = 0, backend: Backend = pynvml) -> int | None:
    """Return the bytes in use on the whole device, by whatever process; None where not told."""
    handle = _handle(index, backend)
    memory = None if handle is None else _ask(backend, "nvmlDeviceGetMemoryInfo", handle)
    return None if memory is None else int(memory.used)


def process_memory_used(
    index: int = 0, pid: int | None = None, backend: Backend = pynvml
) -> int | None:
    """Return the bytes that one process, by default this one, holds on the device.

    None where the driver does not list it: it has no context there, or it runs in a container,
    where the driver knows processes by other numbers.
    """
    handle = _handle(index, backend)
    processes = (
        None if handle is None else _ask(backend, "nvmlDeviceGetComputeRunningProcesses", handle)
    )
    wanted = os.getpid() if pid is None else pid
    held = [one.usedGpuMemory for one in processes or () if one.pid == wanted]
    return None if not held or held[0] is None else int(held[0])


def device_index(device: str) -> int | None:
    """Return the number of a CUDA device as torch counts; None for the CPU.

    >>> device_index("cuda"), device_index("cuda:1"), device_index("cpu")
    (0, 1, None)
    """
    if not device.startswith("cuda"):
        return None
    return int(device.partition(":")[2] or 0)


def _other_processes(processes: Any) -> int | None:
    """Return how many compute processes are not ours; in a container ours has another number."""
    if processes is None:
        return None
    is_listed = any(one.pid == os.getpid() for one in processes)
    is_ours = is_listed or torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return max(len(processes) - is_ours, 0)


def _handle(index: int, backend: Backend) -> Any | None:
    if not _is_started(backend):
        return None
    uuid = _uuid(index)
    if uuid is not None:
        found = _ask(backend, "nvmlDeviceGetHandleByUUID", f"GPU-{uuid}")
        if found is not None:
            return found
    return _ask(backend, "nvmlDeviceGetHandleByIndex", index)


@functools.cache
def _is_started(backend: Backend) -> bool:
    try:
        backend.nvmlInit()
    except backend.NVMLError:  # no driver, no library
        return False
    return True


def _ask(backend: Backend, name: str, *arguments: Any) -> Any | None:
    """Call a function of NVML; None where this driver or device does not know it."""
    function: Callable[..., Any] = getattr(backend, name)
    try:
        return function(*arguments)
    except backend.NVMLError:
        return None


def _uuid(index: int) -> str | None:
    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        return None
    return str(torch.cuda.get_device_properties(index).uuid)


def _hertz(megahertz: int | None) -> int | None:
    return None if megahertz is None else megahertz * MHZ
