"""Every method of the catalogue passes the contract, on the CPU and, where there is one, a GPU."""

import dataclasses

import pytest

from harness.registry import load_method
from harness.testing import RetrieverContract
from methods import CATALOG

# Small enough for seconds; what is not named keeps its default.
SMALL = {
    "two_tower": {"dim": 8, "hidden": 16, "epochs": 12, "batch_size": 64},
    "sparcode": {
        "dim": 8, "hidden": 16, "n_heads": 2, "n_codewords": 8, "epochs": 14, "warm_up": 4,
        "anneal": 4, "batch_size": 64, "density": 0.5, "learning_rate": 0.02,
    },
    "posting_lists": {"n_codes": 24, "postings": 20},
}  # fmt: skip


def contract(name, device):
    """Return the contract's class for a method on a device."""
    cls = load_method(name)
    params = dataclasses.replace(cls.BuildParams(), **SMALL.get(name, {}))
    body = {"retriever_class": cls, "build_params": params, "device": device}
    body["learns"] = name != "popularity"
    made = type(f"Test_{name}_{device}", (RetrieverContract,), body)
    return pytest.mark.gpu(made) if device == "cuda" else made


for _name in CATALOG:
    for _device in load_method(_name).devices:
        _class = contract(_name, _device)
        globals()[_class.__name__] = _class
