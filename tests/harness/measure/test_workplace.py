"""What a phase of a trial is given: CPUs, and float32 on a GPU."""

import pytest
import torch

from harness.measure import workplace
from harness.measure.workplace import FIT, MEASURE, Workplace


@pytest.fixture
def pinned(monkeypatch):
    """Return the CPUs that were asked for, in place of moving this process."""
    asked = []
    monkeypatch.setattr(workplace, "allowed_cpus", lambda: (0, 1, 2, 3))
    monkeypatch.setattr(workplace, "pin", lambda cpus: asked.append(len(cpus)))
    monkeypatch.setattr(workplace, "set_threads", lambda n: {})
    monkeypatch.setattr(workplace, "verify_threads", lambda n: ({}, []))
    return asked


@pytest.mark.parametrize(
    ("device", "phase", "expected"),
    [("cpu", FIT, 2), ("cpu", MEASURE, 2), ("cuda", FIT, 3), ("cuda", MEASURE, 2)],
)
def test_a_phase_has_a_cpu_a_thread(pinned, device, phase, expected):
    """A fit on a GPU has one more, for the thread that makes its batches."""
    Workplace(device).settle(phase, 2)
    assert pinned == [expected]


@pytest.fixture
def tf32():
    """Switch TF32 on, as cuDNN's is when torch is imported, and back to what it was."""
    flags = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [one.allow_tf32 for one in flags]
    for one in flags:
        one.allow_tf32 = True
    yield flags
    for one, was in zip(flags, before, strict=True):
        one.allow_tf32 = was


@pytest.mark.usefixtures("pinned")
def test_float32_is_not_tf32(tf32):
    """After any phase begins, whatever was set before."""
    Workplace().settle(FIT, 1)
    assert [one.allow_tf32 for one in tf32] == [False, False]
