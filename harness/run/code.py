"""Which code a trial runs: ours, and that of the plug-in that brings its method."""

from harness.measure.machine import code_hash, module_hash
from harness.registry import methods

OURS = "matchbench"


def code_of(method: str) -> str:
    """Return the hash of the code behind a method's numbers; a plug-in's stands after a ``+``."""
    entry = methods().get(method)
    if entry is None or entry.distribution == OURS:
        return code_hash()
    package = entry.target.partition(":")[0].partition(".")[0]
    return f"{code_hash()}+{module_hash(package)}"
