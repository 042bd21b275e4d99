"""Scenarios: a load in a few words, as it stands beside every number."""

from collections.abc import Mapping
from typing import Any


def scenario(load: Mapping[str, Any]) -> str:
    """Return how queries were sent: kind, batch, rate, mix unless uniform, where they lay.

    >>> scenario({"kind": "single_stream"}), scenario({"kind": "offline", "batch": 32})
    ('single_stream', 'offline(32)')
    >>> scenario({"kind": "server", "rate": 100.0, "batch": 1, "mix": "zipf"})
    'server(100/s) zipf'
    >>> scenario({"kind": "batch", "batch": 256, "resident": True})
    'batch(256) device-resident'
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
    words = [kind + (f"({', '.join(facts)})" if facts else "")]
    words += [] if mix == "uniform" else [mix]
    words += ["device-resident"] if load.get("resident") else []
    return " ".join(words)
