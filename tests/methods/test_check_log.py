"""What a log does not allow is told before anything runs, by every family alike."""

import pytest

from harness.errors import MethodError
from harness.registry import load_method
from harness.testing import N_ITEMS, tiny_log

ENCODERS = ("two_tower", "all_to_all", "sparcode", "maxsim", "poly_encoder", "mixture_of_logits")


def refused(name, **build):
    """Ask a method whether the tiny log will do."""
    method = load_method(name)
    method.check_log(method.BuildParams(**build), tiny_log())


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_of_order_wants_an_order(name):
    """Not so the others."""
    with pytest.raises(MethodError, match="encoder = 'sasrec' reads a history in its order"):
        refused(name, encoder="sasrec")
    refused(name)


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("two_tower", {"index": "ivf"}),
        ("two_tower", {"index": "ivf_pq_fast_scan"}),
        ("multi_interest", {"index": "ivf"}),
        ("poly_encoder", {"index": "ivf"}),
        ("mixture_of_logits", {"index": "ivf", "algorithm": "candidates"}),
        ("ivf", {}),
        ("ivf_pq_fast_scan_refine", {}),
    ],
)
def test_more_cells_than_items(name, build):
    """One more is refused; as many as there are will do."""
    with pytest.raises(MethodError, match=f"nlist = {N_ITEMS + 1} exceeds the catalogue of"):
        refused(name, **build, nlist=N_ITEMS + 1)
    refused(name, **build, nlist=N_ITEMS)


def test_what_an_algorithm_does_not_read_is_not_refused():
    """A mixture that scores every item makes no cells."""
    refused("mixture_of_logits", index="ivf", nlist=N_ITEMS + 1)


def test_more_cells_than_tokens():
    """Two tokens of an item's id and one of each field, at most."""
    fields = tiny_log().item_fields
    n_tokens = N_ITEMS * (2 + (0 if fields is None else len(fields.columns)))
    with pytest.raises(MethodError, match=f"nlist = {n_tokens + 1} exceeds the {n_tokens} tokens"):
        refused("maxsim", index="cells", nlist=n_tokens + 1)
    refused("maxsim", index="cells", nlist=n_tokens)


@pytest.mark.parametrize(
    ("name", "build", "message"),
    [
        ("ivf_pq", {"nlist": 4, "bits": 8}, "asks for 256 codewords a block"),
        ("two_tower", {"index": "ivf_pq", "nlist": 4}, "asks for 256 codewords a block"),
        ("scann", {"leaves": 99}, "leaves = 99 exceeds the catalogue"),
    ],
)
def test_codewords_and_leaves(name, build, message):
    """As where the index is made."""
    with pytest.raises(MethodError, match=message):
        refused(name, **build)


def test_blocks_that_do_not_divide_the_vectors():
    """Known from the parameters alone; ScaNN takes any."""
    params = load_method("two_tower").BuildParams
    with pytest.raises(ValueError, match="dims_per_block = 3 must divide the 64 dimensions"):
        params(index="ivf_pq", dims_per_block=3)
    params(index="scann", dims_per_block=3)
