"""Parameters of a suite become a frozen dataclass, or a refusal that helps."""

from dataclasses import dataclass
from typing import Literal

import pytest

from harness.params import describe_params, parse_params


@dataclass(frozen=True, slots=True)
class Params:
    dim: int = 64
    rate: float = 0.1
    index: Literal["flat", "hnsw"] = "flat"
    hidden: tuple[int, ...] = (64,)
    limit: int | None = None
    warm: bool = False

    def __post_init__(self):
        if self.dim < 1:
            raise ValueError(f"dim = {self.dim} must be at least 1")


def test_values_are_converted():
    """An int serves as a float, a list as a tuple, "none" as None."""
    parsed = parse_params(Params, {"rate": 1, "hidden": [32, 16], "limit": "none"})
    assert parsed == Params(rate=1.0, hidden=(32, 16), limit=None)
    assert isinstance(parsed.rate, float)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dimm": 3}, "unknown parameter 'dimm'; did you mean 'dim'?"),
        ({"dim": "3"}, "dim = '3' has the wrong type; expected int"),
        ({"dim": True}, "dim = True has the wrong type; expected int"),
        ({"dim": 3.5}, "dim = 3.5 has the wrong type; expected int"),
        ({"index": "hnws"}, "index = 'hnws' is not a choice; did you mean 'hnsw'?"),
        ({"hidden": 3}, "hidden = 3 has the wrong type; expected list of int"),
        ({"limit": "all"}, "limit = 'all' has the wrong type; expected int or none"),
        ({"dim": 0}, "dim = 0 must be at least 1"),
    ],
)
def test_refusals(given, message):
    """Each says what was given and what was expected or is near."""
    with pytest.raises(ValueError, match=r".*") as caught:
        parse_params(Params, given)
    assert str(caught.value) == message


def test_description_names_types_and_defaults():
    """What `list methods NAME` prints."""
    assert describe_params(Params)["index"] == "'flat' or 'hnsw' = 'flat'"
    assert describe_params(Params)["limit"] == "int or none = None"
