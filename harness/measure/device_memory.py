"""Memory of a device: by the driver, above an empty context; torch's allocator beside it.

The driver sees every library's memory (faiss's too), and of the whole device: what other processes
take or free meanwhile is in the difference. torch's allocator sees its own alone.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Protocol

import torch

from harness.measure.nvml import device_index, device_memory_used

SAMPLE_S = 0.005  # the driver keeps no peak, so that it is asked again and again


class Backend(Protocol):
    """A device that can be asked."""

    def used_bytes(self) -> int | None:
        """Return the bytes in use on the device by the driver; None where it does not tell."""

    def open_context(self) -> None:
        """Make this process's context on the device, and wait for it."""

    def forget_allocator_peak(self) -> None:
        """Let the allocator's peak begin anew."""

    def allocator_peak_bytes(self) -> int:
        """Return the most bytes that torch's allocator has held since."""


class CudaBackend:
    """A CUDA device, by torch."""

    def __init__(self, device: str) -> None:
        """Take the device's name, ``cuda`` or ``cuda:N``."""
        self._device = torch.device(device)
        self._index = device_index(device) or 0

    def used_bytes(self) -> int | None:
        """Return what is in use on the whole device, by NVML, which needs no context.

        Without NVML what CUDA says is not free, and None before there is a context to ask in.
        """
        used = device_memory_used(self._index)
        if used is not None:
            return used
        if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            return None
        free, total = torch.cuda.mem_get_info(self._device)
        return int(total - free)

    def open_context(self) -> None:
        """Put a number on the device, take it away again, and give the block back."""
        torch.zeros(1, device=self._device)
        torch.cuda.synchronize(self._device)
        torch.cuda.empty_cache()

    def forget_allocator_peak(self) -> None:
        """Let the allocator's peak begin anew."""
        torch.cuda.reset_peak_memory_stats(self._device)

    def allocator_peak_bytes(self) -> int:
        """Return the most bytes that torch's allocator has held since."""
        return int(torch.cuda.max_memory_allocated(self._device))


class DeviceWatch:
    """What a device's memory came to while it was watched.

    Attributes
    ----------
    driver_bytes : most bytes above the empty context, by samples; None where the driver is mute.
    allocator_bytes : most bytes that torch's allocator held; exact.
    """

    driver_bytes: int | None = None
    allocator_bytes: int | None = None


class DeviceMeter:
    """Bytes of one device above an empty context of this process.

    Attributes
    ----------
    context_bytes : what the empty context takes; None where it was there before, or not told.
    """

    def __init__(self, backend: Backend) -> None:
        """Open the context and take what the device holds then as the baseline."""
        self._backend = backend
        before = backend.used_bytes()
        backend.open_context()
        self._baseline = backend.used_bytes()
        opened = None if before is None or self._baseline is None else self._baseline - before
        self.context_bytes = opened or None

    def steady_bytes(self) -> int | None:
        """Return the bytes now above the empty context; None where the driver is mute."""
        used = self._backend.used_bytes()
        return None if used is None or self._baseline is None else used - self._baseline

    @contextlib.contextmanager
    def watch(self) -> Iterator[DeviceWatch]:
        """Keep the peaks of what happens inside, to be read after it."""
        seen, ended = DeviceWatch(), threading.Event()

        def look() -> None:
            now = self.steady_bytes()
            if now is not None:
                seen.driver_bytes = max(seen.driver_bytes or 0, now)

        def keep_looking() -> None:
            while not ended.wait(SAMPLE_S):
                look()

        self._backend.forget_allocator_peak()
        look()
        thread = threading.Thread(target=keep_looking, daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            ended.set()
            thread.join()
            look()
            seen.allocator_bytes = self._backend.allocator_peak_bytes()


def device_meter(device: str) -> DeviceMeter | None:
    """Return a meter of a CUDA device; None for the CPU."""
    return DeviceMeter(CudaBackend(device)) if device.startswith("cuda") else None


@contextlib.contextmanager
def watch_device(meter: DeviceMeter | None) -> Iterator[DeviceWatch]:
    """Watch a device; without one, nothing is seen."""
    if meter is None:
        yield DeviceWatch()
    else:
        with meter.watch() as seen:
            yield seen
