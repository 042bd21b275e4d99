"""How kernels are compiled and kept on disk, and what compiling cost a process.

A kernel of several files is a folder of its own: helpers are compiled `into_callers`, entry points
are `kept`. Signatures are given, so that compilation happens on import and never inside a timed
search. numba's own cache looks at the file of an entry point alone, so that a change of a helper
elsewhere would go unnoticed; a `kept` entry point is compiled anew when any file of its folder
changes. Hence kernels import of `methods` their own folder and this module, nothing else.
"""

import hashlib
import inspect
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

Number = Any  # of a width that only numba tells apart; unsigned ones index without a check
u16: Number = np.uint16
u32: Number = np.uint32
u64: Number = np.uint64
i64: Number = np.int64
f32: Number = np.float32
f64: Number = np.float64

into_callers = numba.njit(nogil=True)


def kept(signature: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile an entry point now, or load what was kept of it for the same files of its folder."""

    def compiled(function: Callable[..., Any]) -> Any:
        function.__qualname__ += f"_{_hash_of_folder(function)}"  # numba names what it keeps by it
        return numba.njit(signature, cache=True, nogil=True, **options)(function)

    return compiled


def _hash_of_folder(function: Callable[..., Any]) -> str:
    """Return a hash of the sources beside that of a function, its own included."""
    content = hashlib.sha256()
    for path in sorted(Path(inspect.getfile(function)).parent.glob("*.py")):
        content.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return content.hexdigest()[:16]


def compiled_s(begun: float, *functions: Any) -> float:
    """Return the seconds since ``begun``, by `time.perf_counter`, or 0 where nothing was compiled.

    Parameters
    ----------
    functions : compiled ones, whose definitions all lie between ``begun`` and now.
    """
    missed = any(one.stats.cache_misses for one in functions)
    return time.perf_counter() - begun if missed else 0.0
