"""What an object holds: the bytes of arrays, tensors and faiss indexes found by walking it.

It checks a method's own account. Memory is found by its address, so what is reached twice, or as a
view of something else, counts once. Python's own objects (lists of numbers, dictionaries) are not
counted: no method that is to be measured keeps its index in them.
"""

import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

APART = 0.10  # of the larger: the method's account and what is held may differ by so much
APART_BYTES = 1_000_000  # and by so much
SKIPPED = (type, types.ModuleType, types.CodeType, str, int, float, bool, complex, type(None))

Span = tuple[str, int, int]  # device, first address, address after


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes by place: ``host_bytes`` of arrays and CPU tensors, and ``device_bytes``.

    ``is_whole`` is False where a faiss index on a GPU is held, which does not tell its size.
    """

    host_bytes: int
    device_bytes: int
    is_whole: bool = True


def held_by(one: Any) -> Held:
    """Return the bytes of every array, tensor and faiss index that ``one`` reaches."""
    spans: list[Span] = []
    native, is_whole = 0, True
    for found in _reached(one):
        if _is_faiss_index(found):
            if hasattr(found, "getDevice"):  # on a GPU: its memory is the driver's to tell
                is_whole = False
            else:
                native += _faiss_bytes(found)
        else:
            spans.extend(_spans_of(found))
    on_host = _union(span for span in spans if span[0] == "cpu")
    on_devices = _union(span for span in spans if span[0] != "cpu")
    return Held(on_host + native, on_devices, is_whole)


def account_warning(logical: int, held: int) -> str | None:
    """Return a warning where a method's account and what it holds are far apart, else None."""
    apart = abs(held - logical)
    if apart <= APART_BYTES or apart <= APART * max(held, logical):
        return None
    return (
        f"the method's account is {logical} bytes, and it holds arrays and tensors of {held} bytes"
    )


def _reached(one: Any) -> Iterator[Any]:
    """Yield each array, tensor, buffer and faiss index once, whatever holds it."""
    seen: set[int] = set()
    kept: list[Any] = []  # temporaries stay alive, so that no id is given twice
    waiting = [one]
    while waiting:
        now = waiting.pop()
        if isinstance(now, SKIPPED) or id(now) in seen:
            continue
        seen.add(id(now))
        kept.append(now)
        if isinstance(now, np.ndarray | torch.Tensor | bytes | bytearray) or _is_faiss_index(now):
            yield now
            if not (isinstance(now, np.ndarray) and now.dtype == object):
                continue
        waiting.extend(_parts(now))


def _parts(one: Any) -> list[Any]:
    """Return what an object refers to by its attributes, items or closure."""
    if isinstance(one, Mapping):
        return [*one.keys(), *one.values()]
    if isinstance(one, list | tuple | set | frozenset):
        return list(one)
    if isinstance(one, np.ndarray):
        return list(one.ravel())
    if isinstance(one, types.MethodType):
        return [one.__self__, one.__func__]
    if isinstance(one, types.MethodWrapperType | types.BuiltinMethodType):
        return [one.__self__]
    if isinstance(one, types.FunctionType):
        return list(one.__closure__ or ())
    if isinstance(one, types.CellType):
        try:
            return [one.cell_contents]
        except ValueError:  # still empty
            return []
    return [*getattr(one, "__dict__", {}).values(), *_slots_of(one)]


def _slots_of(one: Any) -> Iterator[Any]:
    for kind in type(one).__mro__:
        names = kind.__dict__.get("__slots__", ())
        for name in [names] if isinstance(names, str) else names:
            if hasattr(one, name):
                yield getattr(one, name)


def _spans_of(one: Any) -> list[Span]:
    if isinstance(one, torch.Tensor):
        if one.layout is not torch.strided:
            return [span for part in _sparse_parts(one) for span in _spans_of(part)]
        storage = one.untyped_storage()
        return [(one.device.type, storage.data_ptr(), storage.data_ptr() + storage.nbytes())]
    if isinstance(one, np.ndarray):
        while isinstance(one.base, np.ndarray):
            one = one.base
        first, after = np.lib.array_utils.byte_bounds(one)
        return [("cpu", first, after)]
    return [("cpu", id(one), id(one) + len(one))]  # bytes: no address of theirs, but their own id


def _sparse_parts(tensor: torch.Tensor) -> list[torch.Tensor]:
    if tensor.layout is torch.sparse_coo:
        whole = tensor.coalesce()
        return [whole.indices(), whole.values()]
    return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]


def _union(spans: Iterable[Span]) -> int:
    """Return the bytes that spans cover together, those on several of them once."""
    total, reached = 0, ("", 0)
    for device, first, after in sorted(spans):
        begin = max(first, reached[1]) if device == reached[0] else first
        total += max(after - begin, 0)
        reached = (device, max(after, reached[1]) if device == reached[0] else after)
    return total


def _is_faiss_index(one: Any) -> bool:
    """Return whether it is an index of faiss, which is asked only where a method loaded it."""
    faiss = sys.modules.get("faiss")
    return faiss is not None and isinstance(one, faiss.Index)


def _faiss_bytes(index: Any) -> int:
    """Return the bytes that faiss would write: its own account; nothing is kept of them."""
    faiss: Any = sys.modules["faiss"]
    counted = [0]

    def count(block: bytes) -> int:
        counted[0] += len(block)
        return len(block)

    writer = faiss.PyCallbackIOWriter(count, 1 << 20)
    faiss.write_index(index, writer)
    return counted[0]
