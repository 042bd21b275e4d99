"""What compiling cost a process: numba compiles on import, unless its cache on disk is warm."""

import time
from typing import Any


def compiled_s(begun: float, *functions: Any) -> float:
    """Return the seconds since ``begun``, by `time.perf_counter`, or 0 where nothing was compiled.

    Parameters
    ----------
    functions : compiled ones, whose definitions all lie between ``begun`` and now.
    """
    missed = any(one.stats.cache_misses for one in functions)
    return time.perf_counter() - begun if missed else 0.0
