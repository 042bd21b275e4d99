"""Device memory: above the empty context, peaks by the driver and by the allocator."""

import threading

import pytest

from harness.measure.device_memory import DeviceMeter, device_meter, watch_device

MB = 1_000_000


class FakeDevice:
    """A device on which others hold 50 MB and a context takes 400."""

    def __init__(self, tells=True):
        self.tells, self.used, self.allocated = tells, 50 * MB, 0
        self.peak = 7 * MB
        self.looked = threading.Event()

    def used_bytes(self):
        self.looked.set()
        return self.used if self.tells else None

    def open_context(self):
        self.used += 400 * MB

    def forget_allocator_peak(self):
        self.peak = self.allocated

    def allocator_peak_bytes(self):
        return self.peak

    def take(self, n_bytes, allocated):
        """Change what is used, and what of it torch's allocator holds; wait for a look at it."""
        self.used, self.allocated = self.used + n_bytes, self.allocated + allocated
        self.peak = max(self.peak, self.allocated)
        self.looked.clear()


def test_the_empty_context_is_told_apart_and_taken_off():
    """450 MB are used after the context is open; 30 MB more are what the index takes."""
    device = FakeDevice()
    meter = DeviceMeter(device)
    assert meter.context_bytes == 400 * MB
    device.take(30 * MB, 0)
    assert meter.steady_bytes() == 30 * MB


def test_peaks_are_of_what_was_watched():
    """A library takes 200 MB and torch 100 of them; both are given back before the watch ends."""
    device = FakeDevice()
    meter = DeviceMeter(device)
    with meter.watch() as seen:
        device.take(200 * MB, 100 * MB)
        assert device.looked.wait(10)
        device.take(-200 * MB, -100 * MB)
    assert (seen.driver_bytes, seen.allocator_bytes) == (200 * MB, 100 * MB)
    assert meter.steady_bytes() == 0


def test_a_mute_driver_gives_none():
    """The allocator's peak is there all the same."""
    device = FakeDevice(tells=False)
    meter = DeviceMeter(device)
    with watch_device(meter) as seen:
        device.take(0, 5 * MB)
    assert (meter.context_bytes, meter.steady_bytes(), seen.driver_bytes) == (None, None, None)
    assert seen.allocator_bytes == 5 * MB


def test_a_cpu_has_none():
    """No meter, and a watch that sees nothing."""
    assert device_meter("cpu") is None
    with watch_device(None) as seen:
        pass
    assert (seen.driver_bytes, seen.allocator_bytes) == (None, None)


@pytest.mark.gpu
def test_a_tensor_on_a_gpu_is_seen_by_both():
    """256 MiB, within 5 %, by the driver and by torch's allocator."""
    import torch

    meter = device_meter("cuda")
    held_before = torch.cuda.memory_allocated()  # by other tests of this process
    with meter.watch() as seen:
        held = torch.zeros(256 * 2**20, dtype=torch.uint8, device="cuda")
        torch.cuda.synchronize()
    assert held.numel() == 256 * 2**20
    assert abs(seen.driver_bytes - 256 * 2**20) < 0.05 * 256 * 2**20
    own = seen.allocator_bytes - held_before
    assert abs(own - 256 * 2**20) < 0.05 * 256 * 2**20
