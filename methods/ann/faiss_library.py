"""How faiss is loaded."""

import importlib
from typing import Any

from harness.errors import MethodError


def load_faiss() -> Any:
    """Return the faiss module, or say which extra brings it."""
    try:
        return importlib.import_module("faiss")
    except ImportError as error:
        raise MethodError(
            "faiss is not installed: install the extra `cpu` (faiss-cpu) or, for a machine with "
            "an NVIDIA GPU, `gpu` (faiss-gpu); not both"
        ) from error
