"""One trial seed -> independent random generators, one per purpose: none disturbs another."""

import hashlib

import numpy as np


def derive_seed(seed: int, purpose: str) -> int:
    """Return a seed in 0..2^32 - 1 that depends on both; the same on every machine and version.

    >>> derive_seed(7, "split") != derive_seed(7, "load")
    True
    """
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:4], "little")


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Return the generator for one purpose ("split", "training", "load", ...) of a trial."""
    return np.random.default_rng(derive_seed(seed, purpose))
