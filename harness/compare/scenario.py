"""Scenarios: a load in a few words, as it stands beside every number."""

from collections.abc import Mapping
from typing import Any


def scenario(load: Mapping[str, Any]) -> str:
    """Return how queries were sent: kind, batch, rate, and the mix where it is not uniform.

    >>> scenario({"kind": "single_stream"}), scenario({"kind": "offline", "batch": 32})
    ('single_stream', 'offline(32)')
    >>> scenario({"kind": "server", "rate": 100.0, "batch": 1, "mix": "zipf"})
    'server(100/s) zipf'
    """
    if not load:
        return "-"
    kind, batch, rate = str(load["kind"]), load.get("batch"), load.get("rate")
    facts = []
    if kind == "server" and rate:
        facts.append(f"{rate:g}/s")
    if kind == "server" and load.get("max_p99_s"):
        facts.append(f"p99 <= {load['max_p99_s'] * 1e3:g} ms")
    if kind in ("batch", "offline"):
        facts.append(str(batch or "all"))
    elif kind == "server" and batch and batch > 1:
        facts.append(f"batch {batch}")
    mix = load.get("mix", "uniform")
    return (
        kind + (f"({', '.join(facts)})" if facts else "") + ("" if mix == "uniform" else f" {mix}")
    )
