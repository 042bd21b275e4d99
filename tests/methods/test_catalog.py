"""Every method of the catalogue passes the contract, on the CPU and, where there is one, a GPU."""

import dataclasses
import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest

from harness.arrays import load_arrays
from harness.registry import load_method
from harness.retriever import Capability
from harness.testing import N_ITEMS, K, RetrieverContract, tiny_held_out, tiny_log
from methods import CATALOG
from methods.ann.device import has_gpu_build
from methods.ann.faiss_library import load_faiss

# Small enough for seconds; what is not named keeps its default.
SMALL = {
    "cluster_popularity": {"n_clusters": 2, "dim": 4},
    "slim": {"l2": 1.0},
    "ials": {"dim": 4, "l2": 0.1},
    "two_tower": {"dim": 8, "hidden": 16, "epochs": 12, "batch_size": 64},
    "all_to_all": {"dim": 8, "hidden": 16, "epochs": 12, "batch_size": 64},
    "multi_interest": {
        "dim": 8, "hidden": 16, "epochs": 12, "batch_size": 64, "n_interests": 3,
    },
    "mixture_of_logits": {
        "dim": 8, "hidden": 16, "component_dim": 8, "query_components": 3, "item_components": 2,
        "epochs": 12, "batch_size": 64,
    },
    "maxsim": {
        "dim": 8, "hidden": 16, "token_dim": 8, "query_tokens": 4, "epochs": 12, "batch_size": 64,
    },
    "poly_encoder": {"dim": 8, "hidden": 16, "n_codes": 3, "epochs": 12, "batch_size": 64},
    "sparcode": {
        "dim": 8, "hidden": 16, "n_heads": 2, "n_codewords": 8, "epochs": 14, "warm_up": 4,
        "anneal": 4, "batch_size": 64, "density": 0.5, "learning_rate": 0.02,
    },
    "bpr": {"dim": 8, "epochs": 16, "batch_size": 64, "learning_rate": 0.05, "n_negatives": 4},
    "simplex": {
        "dim": 8, "epochs": 12, "batch_size": 64, "learning_rate": 0.02, "n_negatives": 16,
        "ccl_margin": 0.3, "ccl_weight": 2.0,
    },
    "light_gcn": {
        "dim": 8, "epochs": 12, "batch_size": 64, "learning_rate": 0.05, "n_layers": 2,
    },
    "posting_lists": {"n_codes": 24, "postings": 20},
    "seismic_lists": {"n_codes": 24, "postings": 20},
    "ivf_pq": {"bits": 4, "dims_per_block": 2},
    "ivf_pq_refine": {"bits": 4, "dims_per_block": 2},
}  # fmt: skip
# A method that has more than one form: what each is called here, and its parameters.
FORMS = {
    "ann_class": {
        "euclidean": {"arguments": '["euclidean"]', "distance": "euclidean"},
        "ip": {"arguments": '["ip"]', "distance": "ip"},
    },
    "ease": {"sparse": {"top_n": 6}},
    "slim": {"signed": {"non_negative": False}},
    "two_tower": {
        "ivf": {"index": "ivf", "nlist": 4},
        "hnsw": {"index": "hnsw", "m": 8},
        "codes": {"index": "ivf_pq", "bits": 4, "dims_per_block": 2},
        "cosine": {"similarity": "cosine", "loss": "ccl", "ccl_margin": 0.3, "ccl_weight": 2.0},
        "attention": {"encoder": "attention", "n_attention_heads": 2},
        "gru4rec": {"encoder": "gru4rec", "n_layers": 1, "batch_size": 16},
        "sasrec": {"encoder": "sasrec", "batch_size": 16, "n_attention_heads": 2},
        "sasrec_ids": {
            "encoder": "sasrec", "tower": "none", "norm": "post", "positions": "from_start",
            "windows": "all", "max_history": 4, "batch_size": 16, "dropout": 0.0,
        },
    },
    "simplex": {
        "user_attention": {
            "pooling": "user_attention", "own_history_vectors": True, "epochs": 48, "patience": 48,
        },
        "self_attention": {"pooling": "self_attention"},
        "bias": {"bias": True},
    },
    "sparcode": {
        "attention": {"encoder": "attention", "n_attention_heads": 2},
        "gru4rec": {"encoder": "gru4rec", "n_layers": 1, "batch_size": 16},
        "sasrec": {
            "encoder": "sasrec", "batch_size": 16, "dropout": 0.0, "towers": True,
        },
    },
    "all_to_all": {
        "attention": {"encoder": "attention"},
        "gru4rec": {"encoder": "gru4rec", "batch_size": 16},
        "sasrec": {"encoder": "sasrec", "batch_size": 16},
    },
    "multi_interest": {
        "ivf": {"index": "ivf", "nlist": 4},
        "hnsw": {"index": "hnsw", "m": 8},
        "dynamic_routing": {"routing": "dynamic_routing"},
        "mind": {"routing": "mind", "power": 2.0},
        "ids": {"tower": "none", "routing": "mind", "learning_rate": 0.02},
        "in_order": {"max_history": 4},
        "mind_in_order": {"routing": "mind", "max_history": 4},
    },
    "mixture_of_logits": {
        "two_pass": {"algorithm": "two_pass"},
        "candidates": {"algorithm": "candidates"},
        "candidates_ivf": {"algorithm": "candidates", "index": "ivf", "nlist": 4},
    },
    "maxsim": {
        "cells": {"index": "cells", "nlist": 6},
        "cosine": {"similarity": "cosine", "loss_temperature": 0.5, "index": "cells"},
        "one_token": {"id_tokens": 1, "own_negatives": True, "n_negatives": 16},
        "sasrec": {"encoder": "sasrec", "batch_size": 16, "learning_rate": 0.01},
    },
    "poly_encoder": {
        "ivf": {"index": "ivf", "nlist": 4},
        "hnsw": {"index": "hnsw", "m": 8, "own_negatives": True, "n_negatives": 16},
        "sasrec": {"encoder": "sasrec", "batch_size": 16},
    },
}  # fmt: skip
# Methods and forms that read events in their order.
ORDERED = {
    "recent_popularity", "gru4rec", "sasrec", "sasrec_ids", "in_order", "mind_in_order",
}  # fmt: skip
# Stages that some settings do not come to: no transfer on a CPU, no filling up without a fallback,
# no candidates where everything is scored. A form's name may follow that of
# its method, or stand in place of a device.
UNMARKED = {
    ("two_tower", "cpu"): {"transfer"},
    ("all_to_all", "cpu"): {"transfer"},
    ("multi_interest", "cpu"): {"transfer"},
    ("mixture_of_logits", "cpu"): {"transfer", "candidates"},
    ("mixture_of_logits", "cuda"): {"candidates"},
    ("mixture_of_logits", "cpu:0"): {"candidates"},
    ("mixture_of_logits_candidates", "cpu"): {"transfer"},
    ("mixture_of_logits_candidates_ivf", "cpu"): {"transfer"},
    ("maxsim", "cpu"): {"transfer", "candidates"},
    ("maxsim", "cpu:0"): {"candidates"},
    ("maxsim", "cuda"): {"candidates"},
    ("maxsim", "cells"): {"transfer"},
    ("maxsim", "cosine"): {"transfer"},
    ("poly_encoder", "cpu"): {"transfer", "candidates"},
    ("poly_encoder", "cpu:0"): {"candidates"},
    ("poly_encoder", "cuda"): {"candidates"},
    ("poly_encoder", "ivf"): {"transfer"},
    ("poly_encoder", "hnsw"): {"transfer"},
    ("flat", "cpu"): {"transfer"},
    ("bpr", "cpu"): {"transfer"},
    ("simplex", "cpu"): {"transfer"},
    ("light_gcn", "cpu"): {"transfer"},
    ("sparcode", "cpu"): {"top_k", "transfer"},
    ("sparcode", "cuda"): {"top_k"},
    ("sparcode", "cpu:0"): {"top_k"},
}
# Agreement with exact vector search needs the vectors, which lists and codes do not hold; counts
# have no score beside the packed one.
NO_SCORES_WHEN_LOADED = {
    "posting_lists", "seismic_lists", "counted_lists", "ivf_pq", "ivf_pq_fast_scan", "sq8",
}  # fmt: skip
NO_SCORES_WHEN_LOADED_FORMS = {("two_tower", "codes")}
# Methods that know nothing of the user.
IMPERSONAL = {"random", "popularity", "recent_popularity"}
# Methods that declare nothing to tune, by why that is so.
COST_ONLY = "its parameters buy quality for time or memory: by quality alone the largest would win"
UNTUNED = {
    "torch_flat": "its one parameter is the precision of an exact search",
    "ann_class": "its parameters name a class of others and what that takes",
    **dict.fromkeys(
        (
            "ivf", "ivf_pq", "ivf_pq_refine", "ivf_pq_fast_scan", "ivf_pq_fast_scan_refine", "hnsw",
            "hnswlib", "scann", "cagra", "posting_lists", "seismic_lists", "counted_lists",
        ),
        COST_ONLY,
    ),
}  # fmt: skip
# A method of an optional package: its tests are skipped where the package is not installed.
NEEDS = {"scann": "scann", "hnswlib": "hnswlib", "seismic_lists": "seismic"}
# Of faiss on a GPU: the GPU, and a faiss that can use it.
NEEDS_GPU_BUILD = {"faiss_flat", "ivf", "ivf_pq", "cagra"}


def needed(name, device="cpu"):
    """Return the marks of a method's tests: a skip where its package is missing."""
    package = NEEDS.get(name)
    if package is not None and importlib.util.find_spec(package) is None:
        return [pytest.mark.skip(reason=f"{package} is not installed")]
    if device == "cuda" and name in NEEDS_GPU_BUILD and not has_gpu_build(load_faiss()):
        return [pytest.mark.skip(reason="this faiss has no GPU build")]
    return []


def contract(name, device, form=""):
    """Return the contract's class for a method, or one form of it, on a device."""
    cls = load_method(name)
    given = SMALL.get(name, {}) | (FORMS[name][form] if form else {})
    params = dataclasses.replace(cls.BuildParams(), **given)
    body = {"retriever_class": cls, "build_params": params, "device": device}
    unmarked = UNMARKED.get((name, form), UNMARKED.get((name, device), ()))
    body["unmarked"] = frozenset(UNMARKED.get((f"{name}_{form}", device), unmarked))
    body["scores_when_loaded"] = (
        name not in NO_SCORES_WHEN_LOADED and (name, form) not in NO_SCORES_WHEN_LOADED_FORMS
    )
    body["ordered"] = form in ORDERED or name in ORDERED
    body["learns"] = name not in IMPERSONAL
    label = "_".join(filter(None, (name, form, device.replace(":", "_"))))
    made = type(f"Test_{label}", (RetrieverContract,), body)
    for mark in needed(name, device):
        made = mark(made)
    return pytest.mark.gpu(made) if device == "cuda" else made


# Forms that a device has to do otherwise, of those that it can do.
ON_DEVICES = {
    "two_tower": ("attention", "gru4rec", "sasrec"),
    "simplex": ("user_attention", "self_attention", "bias"),
}
# To torch `cpu:0` is the host; to the methods it is a device apart: what they do on a GPU is done.
HOST_AS_DEVICE = "cpu:0"

for _name in CATALOG:
    _devices = load_method(_name).devices
    for _device in _devices:
        if _device == "cuda" and "cpu" in _devices:
            _class = contract(_name, HOST_AS_DEVICE)
            globals()[_class.__name__] = _class
        _class = contract(_name, _device)
        globals()[_class.__name__] = _class
    for _form in FORMS.get(_name, ()):
        _class = contract(_name, "cpu", _form)
        globals()[_class.__name__] = _class
    for _form in ON_DEVICES.get(_name, ()):
        for _device in (HOST_AS_DEVICE, "cuda"):
            _class = contract(_name, _device, _form)
            globals()[_class.__name__] = _class


CHILD = """
import dataclasses, json, sys
from pathlib import Path
import numpy as np
import torch
import harness.testing as kit
from harness.arrays import save_arrays
from harness.registry import load_method

torch.set_num_threads(1)  # as here: products of matrices may add up otherwise with more
name, folder, params = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
cls = load_method(name)
method = cls(dataclasses.replace(cls.BuildParams(), **params))
method.load(folder / "saved")
queries = kit.tiny_held_out(kit.tiny_log()).queries
found = method.search(queries, kit.K)
scores = found.scores
if sys.argv[4] == "scores":
    scores = method.score(queries, np.arange(kit.N_ITEMS))
save_arrays(folder / "found", "found", {"ids": found.ids, "scores": found.scores, "all": scores})
"""


def test_a_method_with_parameters_says_what_to_tune():
    """Or is one of `UNTUNED`; otherwise its rivals get the trials, and it keeps its defaults."""
    classes = {name: load_method(name) for name in CATALOG}
    silent = {
        name
        for name, cls in classes.items()
        if dataclasses.fields(cls.BuildParams) and not cls.TuneSpace
    }
    assert silent == UNTUNED.keys()


ON_THE_CPU = [one for one in CATALOG if "cpu" in load_method(one).devices]
SAVED = [one for one in ON_THE_CPU if Capability.SAVE in load_method(one).capabilities]


def test_every_method_of_ours_can_be_saved():
    """All but the wrapper of a class of others, which knows no way to save one."""
    assert set(ON_THE_CPU) - set(SAVED) == {"ann_class"}


@pytest.mark.parametrize("name", [pytest.param(one, marks=needed(one)) for one in SAVED])
def test_a_fresh_process_serves_the_same(name, tmp_path):
    """It has the folder and the build parameters, no training log; every bit is as before."""
    method = contract(name, "cpu").make()
    for folder in ("saved", "found"):
        (tmp_path / folder).mkdir()
    method.save(tmp_path / "saved")
    params = json.dumps(SMALL.get(name, {}))
    scores = "none" if name in NO_SCORES_WHEN_LOADED else "scores"
    subprocess.run([sys.executable, "-c", CHILD, name, str(tmp_path), params, scores], check=True)
    found, _ = load_arrays(tmp_path / "found", "found")
    queries = tiny_held_out(tiny_log()).queries
    here = method.search(queries, K)
    np.testing.assert_array_equal(found["ids"], here.ids)
    np.testing.assert_array_equal(found["scores"], here.scores)
    if scores == "scores":
        np.testing.assert_array_equal(found["all"], method.score(queries, np.arange(N_ITEMS)))
