"""A fresh process that times benchmarks of one revision when told to; standard library alone.

``python -P timing_process.py FOLDER PATTERN``: FOLDER holds the package of benchmarks, PATTERN is a
regular expression that a benchmark's name must hold. The revision is what PYTHONPATH says. First it
prints what it is and which benchmarks it has; then it answers each line with a line of JSON:

- ``set NAME``: ``setup``, one call, and as many calls a sample as take 3 ms; ``{}`` or an error
- ``take``: seconds of a call in one sample, and the share of it in which the thread had no CPU
- ``end``: ``teardown``; ``{}``. What was set up stays in memory until another benchmark is, so that
  to be set up again is to lie elsewhere: how arrays fall into the caches is worth some per cent

A benchmark is a method ``time_*`` of a class, in asv's style.
"""

import gc
import importlib
import inspect
import json
import pkgutil
import re
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGE = "tracked"
SAMPLE_S = 0.003


Known = dict[str, tuple[type[Any], str]]  # name of a benchmark -> class and method


def benchmarks(folder: Path) -> tuple[Known, dict[str, str]]:
    """Return every benchmark, in order of names, and the modules that do not import: their errors.

    Code that is older than a benchmark may lack what it imports; the other modules stay.
    """
    sys.path.insert(0, str(folder))
    package = importlib.import_module(PACKAGE)
    known: Known = {}
    faults: dict[str, str] = {}
    for module in sorted(one.name for one in pkgutil.iter_modules(package.__path__)):
        try:
            loaded = importlib.import_module(f"{PACKAGE}.{module}")
        except Exception as error:  # of the revision that is timed; its reader judges
            traceback.print_exc()
            faults[module] = _text(error)
            continue
        for name, cls in sorted(vars(loaded).items()):
            if inspect.isclass(cls) and cls.__module__ == loaded.__name__:
                methods = [one for one in sorted(vars(cls)) if one.startswith("time_")]
                known.update({f"{module}.{name}.{one}": (cls, one) for one in methods})
    return known, faults


class Benchmark:
    """One benchmark, set up and ready to be sampled."""

    def __init__(self, cls: type[Any], method: str) -> None:
        self._made = cls()
        if hasattr(self._made, "setup"):
            self._made.setup()
        self._call: Callable[[], object] = getattr(self._made, method)
        self._call()
        self._calls = 1
        while self._cpu_s() < SAMPLE_S and self._calls < 1 << 20:
            self._calls *= 2

    def sample(self) -> tuple[float, float]:
        """Return seconds of a call, and the share of the sample without a CPU.

        One call goes before, so that the sample does not begin with what another process has left
        in the caches.
        """
        gc.disable()
        self._call()
        cpu, begun = time.process_time_ns(), time.perf_counter_ns()
        for _ in range(self._calls):
            self._call()
        wall, spent = time.perf_counter_ns() - begun, time.process_time_ns() - cpu
        gc.enable()
        return wall / 1e9 / self._calls, max(0.0, 1 - spent / wall)

    def _cpu_s(self) -> float:
        """Return the processor's seconds of a sample: waiting must not make samples short."""
        begun = time.process_time_ns()
        for _ in range(self._calls):
            self._call()
        return (time.process_time_ns() - begun) / 1e9

    def end(self) -> None:
        """Take down what was set up."""
        if hasattr(self._made, "teardown"):
            self._made.teardown()


def main(arguments: list[str]) -> int:
    """Answer until standard input ends."""
    folder, pattern = arguments
    known, faults = benchmarks(Path(folder))
    names = [one for one in known if re.search(pattern, one)]
    code = importlib.import_module("harness").__file__
    _tell({"code": code, "names": names, "faults": faults})
    ready: Benchmark | None = None
    kept: list[tuple[str, Benchmark]] = []
    for line in sys.stdin:
        word, _, name = line.strip().partition(" ")
        try:
            if word == "set" and name not in known:
                _tell({"error": faults.get(name.partition(".")[0], f"there is no {name}")})
            elif word == "set":
                kept = [one for one in kept if one[0] == name]
                ready = Benchmark(*known[name])
                kept.append((name, ready))
                _tell({})
            elif word == "take" and ready is not None:
                _tell(ready.sample())
            elif ready is not None:
                ready.end()
                ready = None
                _tell({})
        except Exception as error:  # of the revision that is timed; its reader judges
            traceback.print_exc()
            _tell({"error": _text(error)})
    return 0


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def _tell(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
