"""What a method learns from, and that its record says just that."""

from types import SimpleNamespace

import pytest

from harness.retriever import Capability
from harness.run.learning import fit_first, learned_from, refits

BOTH = "training and validation"
PARTS = SimpleNamespace(train="train", validation="validation", full_train="all")


class Noting:
    """Notes which parts it is given."""

    def __init__(self, *capabilities):
        self.capabilities, self.given = frozenset(capabilities), []

    def fit(self, train, validation=None):
        self.given.append((train, validation))


@pytest.mark.parametrize(
    ("capabilities", "refit", "select_on", "given", "told"),
    [
        ((), False, "validation", ("all", None), BOTH),
        ((), True, "validation", ("all", None), BOTH),
        ((Capability.VALIDATION,), True, "validation", ("train", "validation"), "training"),
        (
            (Capability.VALIDATION, Capability.REFIT),
            False, "validation", ("train", "validation"), "training",
        ),
        (
            (Capability.VALIDATION, Capability.REFIT),
            True, "validation", ("train", "validation"), BOTH,
        ),
        # the training part of such a split is all there is
        ((Capability.VALIDATION,), False, "test", ("train", "validation"), BOTH),
    ],
)  # fmt: skip
def test_what_is_told_is_what_is_given(capabilities, refit, select_on, given, told):
    """By what the method can do, the suite's ``refit``, and where the split selects."""
    spec = SimpleNamespace(refit=refit, split={"select_on": select_on})
    method = Noting(*capabilities)
    fit_first(method, PARTS)
    assert method.given == [given]
    assert learned_from(spec, method) == told
    assert refits(spec, method) == (refit and Capability.REFIT in capabilities)
