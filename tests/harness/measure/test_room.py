"""Room for data: what does not fit raises, and the limit is gone afterwards."""

import resource

import numpy as np
import psutil
import pytest

from harness.measure.room import memory_room

MB = 1_000_000


def test_more_than_the_limit_raises_and_less_does_not():
    """Of 200 MB, 50 fit and 400 do not; outside 400 fit again."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with memory_room(200 * MB):
        assert np.ones(50 * MB, np.uint8)[-1] == 1
        with pytest.raises(MemoryError):
            np.ones(400 * MB, np.uint8)
    assert np.ones(400 * MB, np.uint8)[-1] == 1
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_more_than_the_machine_has_raises():
    """Without a limit of ours what is available is one."""
    wanted = psutil.virtual_memory().available
    with memory_room(), pytest.raises(MemoryError):
        np.empty(wanted, np.uint8)


def test_the_limit_goes_with_an_error():
    """An error inside leaves no limit behind."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.raises(MemoryError), memory_room(MB):
        np.ones(100 * MB, np.uint8)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
