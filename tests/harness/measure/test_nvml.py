"""What the driver says of a GPU reaches the record; what it does not say is None, not an error."""

import os
from types import SimpleNamespace

import pytest

from harness.measure.nvml import (
    device_memory_used,
    gpu_state,
    process_memory_used,
)

OTHER = 1 << 22  # no process of this machine: above the largest pid


class Driver:
    """The functions of pynvml that are used, for one GPU; ``lacks`` are not supported by it."""

    NVML_CLOCK_SM, NVML_CLOCK_MEM, NVML_TEMPERATURE_GPU = 1, 2, 0

    class NVMLError(Exception):
        """Any fault of NVML."""

    def __init__(self, *, lacks=(), pids=(), reasons=0):
        self.lacks, self.pids, self.reasons = lacks, pids, reasons

    def __getattribute__(self, name):
        if name.startswith("nvml") and name in object.__getattribute__(self, "lacks"):

            def unsupported(*_):
                raise self.NVMLError("not supported")

            return unsupported
        return object.__getattribute__(self, name)

    def nvmlInit(self):  # noqa: N802  the library's names
        pass

    def nvmlSystemGetDriverVersion(self):  # noqa: N802
        return "580.1"

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        if index != 0:
            raise self.NVMLError("no such device")
        return "handle"

    def nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        raise self.NVMLError("not this one")

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return "A GPU"

    def nvmlDeviceGetClockInfo(self, handle, kind):  # noqa: N802
        return {1: 1500, 2: 5000}[kind]

    def nvmlDeviceGetMaxClockInfo(self, handle, kind):  # noqa: N802
        return 2000

    def nvmlDeviceGetTemperature(self, handle, sensor):  # noqa: N802
        return 60

    def nvmlDeviceGetPowerUsage(self, handle):  # noqa: N802
        return 250_000

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle):  # noqa: N802
        return self.reasons

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return SimpleNamespace(used=3_000_000_000)

    def nvmlDeviceGetComputeRunningProcesses(self, handle):  # noqa: N802
        return [SimpleNamespace(pid=pid, usedGpuMemory=1_000_000 * n) for n, pid in self.pids]


def test_the_state_has_units_and_reasons():
    """MHz become Hz, milliwatts watts, bits names; an idle GPU (bit 0) is not throttled."""
    driver = Driver(reasons=0x01 | 0x40, pids=[(500, os.getpid()), (700, OTHER)])
    assert gpu_state(0, driver) == {
        "driver": "580.1",
        "model": "A GPU",
        "sm_clock_hz": 1_500_000_000,
        "max_sm_clock_hz": 2_000_000_000,
        "memory_clock_hz": 5_000_000_000,
        "temperature_c": 60,
        "power_w": 250.0,
        "throttle_reasons": ["hardware thermal slowdown"],
        "other_processes": 1,
        "used_bytes": 3_000_000_000,
    }


def test_what_a_device_does_not_tell_is_none():
    """Old drivers and small cards lack some; the rest is still told."""
    lacks = ("nvmlDeviceGetPowerUsage", "nvmlDeviceGetCurrentClocksEventReasons")
    state = gpu_state(0, Driver(lacks=(*lacks, "nvmlDeviceGetComputeRunningProcesses")))
    assert (state["power_w"], state["throttle_reasons"], state["other_processes"]) == (None,) * 3
    assert state["temperature_c"] == 60


def test_memory_of_the_device_and_of_one_process():
    """The device's is everybody's; a process that the driver does not list has None, not 0."""
    driver = Driver(pids=[(500, os.getpid())])
    assert device_memory_used(0, driver) == 3_000_000_000
    assert process_memory_used(0, backend=driver) == 500_000_000
    assert process_memory_used(0, OTHER, driver) is None


@pytest.mark.parametrize("lacks", ["nvmlInit", "nvmlDeviceGetHandleByIndex"])
def test_without_a_driver_or_a_device_there_is_nothing(lacks):
    """No library, or no such GPU: None from all, and no error."""
    driver = Driver(lacks=(lacks,))
    assert gpu_state(0, driver) is None
    assert device_memory_used(0, driver) is None
    assert process_memory_used(0, backend=driver) is None
