"""A load that makes no sense is refused, with what was given and what was expected."""

import pytest

from harness.measure.load_spec import LoadSpec


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"queries": -1}, "queries = -1 must be 0"),
        ({"kind": "batch", "batch": 0}, "batch = 0 must be at least 1 in batch"),
        ({"kind": "offline", "batch": -1}, "batch = -1 must be at least 0 in offline"),
        ({"batch": 2}, "batch = 2 must be 1 in single_stream; see kind = 'batch'"),
        ({"rate": 5.0}, "rate = 5.0 must stand with kind = 'server'"),
        ({"kind": "offline", "max_p99_s": 1.0}, "max_p99_s = 1.0 must stand with kind = 'server'"),
        ({"kind": "server"}, "rate = None and max_p99_s = None: a server must have one"),
        ({"kind": "server", "rate": 1.0, "max_p99_s": 1.0}, "a server must have one of the two"),
        ({"kind": "server", "rate": 0.0}, "rate = 0.0 must be above 0"),
        ({"kind": "server", "rate": float("inf")}, "rate = inf must be above 0 and finite"),
        ({"kind": "server", "rate": 1e-10}, "rate = 1e-10 must lie in 0.001 to 1e"),
        ({"kind": "server", "rate": float("nan")}, "rate = nan must be above 0"),
        ({"kind": "server", "max_p99_s": -1.0}, "max_p99_s = -1.0 must be above 0"),
        ({"mix": "zipf", "zipf_exponent": 0.0}, "zipf_exponent = 0.0 must be above 0"),
        ({"mix": "head", "mix_share": 0.0}, "mix_share = 0.0 must lie above 0"),
        ({"mix": "head", "mix_share": 1.5}, "mix_share = 1.5 must lie above 0 and be at most 1"),
    ],
)
def test_senseless_loads_are_refused(options, message):
    """Each says the parameter, its value, and what it must be."""
    with pytest.raises(ValueError, match=message):
        LoadSpec(**options)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, 1),
        ({"kind": "batch"}, 256),
        ({"kind": "offline"}, 256),
        ({"kind": "offline", "batch": 0}, 0),
        ({"kind": "server", "rate": 1.0}, 1),
        ({"kind": "server", "rate": 1.0, "batch": 8}, 8),
    ],
)
def test_the_size_of_a_call(options, size):
    """Each kind has its own default; the resolved value stands in the specification."""
    spec = LoadSpec(**options)
    assert spec.call_size == spec.batch == size
