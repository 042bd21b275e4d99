"""Moving an index of faiss: nothing on the CPU; what is missing for a GPU is named."""

import pytest

from harness.errors import MethodError
from methods.ann import device
from methods.ann.device import has_gpu_build, to_device, to_host


def test_the_cpu_moves_nothing():
    """The index itself comes back."""
    index = object()
    assert to_device(index, "cpu") is to_host(index, "cpu") is index


def test_a_build_without_gpus_says_so(monkeypatch):
    """The message names the extra that brings one."""
    monkeypatch.setattr(device, "load_faiss", object)
    with pytest.raises(MethodError, match=r"'cuda': faiss has no GPU build here.*extra `gpu`"):
        to_device(object(), "cuda")


def test_a_gpu_build_gets_the_number_of_the_device(monkeypatch):
    """`cuda` is GPU 0, `cuda:3` is GPU 3; the way back is faiss's own."""

    class Faiss:
        StandardGpuResources = staticmethod(lambda: "resources")
        index_cpu_to_gpu = staticmethod(lambda *given: given)
        index_gpu_to_cpu = staticmethod(lambda index: ("host", index))

    monkeypatch.setattr(device, "load_faiss", lambda: Faiss)
    assert has_gpu_build(Faiss)
    assert to_device("index", "cuda") == ("resources", 0, "index")
    assert to_device("index", "cuda:3") == ("resources", 3, "index")
    assert to_host("index", "cuda") == ("host", "index")
