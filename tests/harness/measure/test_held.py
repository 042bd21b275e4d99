"""What an object holds is found once, wherever it hides; Python's own objects are not counted."""

from collections import namedtuple
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch

from harness.measure.held import account_warning, held_by
from methods.ann.flat import load_faiss

MB = 1_000_000
Pair = namedtuple("Pair", ["first", "second"])


@dataclass(slots=True)
class Slotted:
    one: object


class Holder:
    def __init__(self, **parts):
        self.__dict__.update(parts)


def block(n=MB):
    return np.ones(n, np.uint8)


@pytest.mark.parametrize(
    "hide",
    [
        lambda one: Holder(part=one),
        lambda one: Holder(part=[{"deep": (one,)}]),
        lambda one: Holder(part=Slotted(one)),
        lambda one: Holder(part=Pair(one, 3)),
        lambda one: Holder(part=lambda: one),
        lambda one: Holder(part=Holder(x=one).__getattribute__),
        lambda one: Holder(part=np.array([one, None], dtype=object)[:1]),
        lambda one: Holder(part=torch.from_numpy(one)),
        lambda one: Holder(part=one.tobytes()),
    ],
    ids=["attribute", "nested", "slots", "tuple", "closure", "bound", "objects", "tensor", "bytes"],
)
def test_a_block_is_found_wherever_it_hides(hide):
    """1 MB, behind an attribute, a container, a slot, a closure, a tensor."""
    assert held_by(hide(block())).host_bytes == pytest.approx(MB, abs=200)


def test_the_same_memory_counts_once():
    """An array, views of it, a tensor over it and a cycle: 1 MB."""
    one = block()
    views = [one[10:], one.reshape(-1, 10).T, torch.from_numpy(one)[5:], memoryview(one)]
    holder = Holder(one=one, views=views)
    holder.itself = holder
    assert held_by(holder).host_bytes == MB


def test_a_view_holds_the_whole():
    """Ten bytes of a block keep all of it."""
    assert held_by(Holder(part=block()[:10])).host_bytes == MB
    assert held_by(Holder(part=torch.zeros(MB, dtype=torch.uint8)[:10])).host_bytes == MB


def test_modules_count_their_weights_once():
    """Parameters and buffers, 4 bytes each: 10 x 20 weights, 20 biases; tied weights are one."""
    linear = torch.nn.Linear(10, 20)
    tied = torch.nn.ModuleDict({"a": linear, "b": linear})
    assert held_by(Holder(model=tied)).host_bytes == 4 * (10 * 20 + 20)


@pytest.mark.parametrize("kind", ["Flat", "HNSW8", "IVF4,Flat"])
def test_faiss_indexes_count_by_their_own_account(kind):
    """As many bytes as faiss writes."""
    faiss = load_faiss()
    vectors = np.random.default_rng(0).random((400, 16), dtype=np.float32)
    index = faiss.index_factory(16, kind)
    index.train(vectors)
    index.add(vectors)
    assert held_by(Holder(index=index)).host_bytes == faiss.serialize_index(index).nbytes


def test_what_is_no_buffer_is_not_counted():
    """Modules, classes, numbers, strings and lists of numbers; arguments of a partial are."""
    plain = Holder(a=np, b=Holder, c=list(range(1000)), d="x" * 5000, e=None, f=3.5)
    assert held_by(plain).host_bytes == 0
    assert held_by(Holder(part=partial(print, 1))).host_bytes == 0


def test_an_account_far_off_is_warned_of():
    """Beyond 10 % and 1 MB; less, or little in all, is not."""
    assert account_warning(100 * MB, 109 * MB) is None
    assert account_warning(0, 900_000) is None
    assert "holds arrays and tensors of 120000000 bytes" in account_warning(100 * MB, 120 * MB)
    assert account_warning(120 * MB, 100 * MB) is not None
