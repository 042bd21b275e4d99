"""Which errors mean that memory ran out: real ones, from the libraries that raise them."""

import numpy as np
import pytest
import torch

from harness.measure.exhaustion import is_out_of_memory, kernel_kills


@pytest.mark.parametrize(
    "ask",
    [
        lambda: np.ones(1 << 50),
        lambda: torch.empty(1 << 50, dtype=torch.float64),
        lambda: bytearray(1 << 60),
    ],
    ids=["numpy", "torch", "python"],
)
def test_what_libraries_raise_is_known(ask):
    """Each is asked for more than any machine has."""
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        ask()
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("std::bad_alloc"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("the index is empty"), False),
        (ValueError("out of memory is no value"), False),
    ],
)
def test_what_they_say_is_known(error, expected):
    """CUDA, C++ and fork have no class of their own; a wrong value that says so is none."""
    assert is_out_of_memory(error) is expected


def test_the_kernels_counter_is_read():
    """Linux counts its kills since 4.13: a number, zero or more."""
    assert kernel_kills() >= 0
