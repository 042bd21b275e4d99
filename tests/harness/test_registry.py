"""The registry: names are unique, a broken plug-in is blamed on its distribution."""

import pytest

from harness.errors import MethodError
from harness.registry import MethodEntry, load_entry, load_method, methods, unique_by_name
from methods import CATALOG


def test_the_catalogue_is_there():
    """Every name of the catalogue is known, with our distribution."""
    assert {name: one.target for name, one in methods().items()}.items() >= CATALOG.items()


def test_a_miss_offers_near_names():
    """A typing error is answered with the name meant."""
    with pytest.raises(MethodError, match=r"unknown method 'two_towr'; did you mean 'two_tower'\?"):
        load_method("two_towr")


def test_two_of_one_name_are_refused():
    """Neither wins silently; both distributions are named."""
    entries = [MethodEntry("m", "a:A", "one"), MethodEntry("m", "b:B", "two")]
    with pytest.raises(MethodError, match=r"'m' is given twice: a:A by 'one' and b:B by 'two'"):
        unique_by_name(entries)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_module:A", "cannot be loaded: ModuleNotFoundError"),
        ("harness.topk:Nothing", "cannot be loaded: AttributeError"),
        ("harness.topk:TopK", "is not a Retriever class"),
    ],
)
def test_a_broken_plug_in_is_blamed(target, message):
    """The error names the method, the target and the distribution that brought it."""
    blame = rf"method 'm' \({target}\) of distribution 'third' {message}"
    with pytest.raises(MethodError, match=blame):
        load_entry(MethodEntry("m", target, "third"))
