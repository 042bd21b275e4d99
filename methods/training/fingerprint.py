"""What a checkpoint must match: parameters, seed, data, model, libraries, as words by name."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from harness.interactions import HeldOut, Interactions
from methods.reduced_screen import multiplies_bfloat16_fast
from methods.training.model import RankingModel
from methods.training.params import TrainingParams


def identity_of(
    model: RankingModel,
    train: Interactions,
    validation: HeldOut | None,
    params: TrainingParams,
    seed: int,
    stop_after: int | None,
) -> dict[str, str]:
    """Return everything that training depends on, name -> value, in words.

    Threads and the CPU's vector instructions are in it: with others, sums differ in their last bit.
    """
    tensors = model.state_dict()
    shapes = {
        name: f"{one.dtype} {list(one.shape)}"
        for name, one in tensors.items()
        if isinstance(one, torch.Tensor)
    }
    return {
        "model": f"{type(model).__module__}.{type(model).__qualname__}",
        "tensors": fingerprint(shapes),
        **{name: str(value) for name, value in dataclasses.asdict(params).items()},
        "seed": str(seed),
        "stop_after": str(stop_after),
        "train": fingerprint(train),
        "validation": fingerprint(validation),
        "device": next(model.parameters()).device.type,
        "threads": str(torch.get_num_threads()),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "bfloat16_screen": str(multiplies_bfloat16_fast()),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
    }


def fingerprint(value: Any) -> str:
    """Return 16 hex digits of arrays, dataclasses and mappings of them, and plain values."""
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()[:16]


def _feed(digest: Any, value: Any) -> None:
    if isinstance(value, np.ndarray):
        digest.update(f"{value.dtype.str}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).data)
    elif dataclasses.is_dataclass(value):
        digest.update(type(value).__name__.encode())
        for one in dataclasses.fields(value):
            _feed(digest, getattr(value, one.name))
    elif isinstance(value, Mapping):
        digest.update(f"{len(value)} entries".encode())
        for name, one in value.items():
            digest.update(f"{name}=".encode())
            _feed(digest, one)
    else:
        digest.update(f"{value!r};".encode())
