"""A fresh process that times benchmarks of one revision; needs the standard library alone.

``python -P timing_process.py FOLDER PATTERN``: FOLDER holds the package of benchmarks, PATTERN is a
regular expression that a benchmark's name must hold. ``--list`` after them names benchmarks instead.
The revision is what PYTHONPATH says. One JSON object comes out.

A benchmark is a method ``time_*`` of a class, in asv's style. It is called once, then as often as a
sample of 3 ms takes. A sample during which the thread had no CPU for more than 2 % of the time is
taken again, so that others who use the machine do not stand in the number; after a second of that
the least disturbed stand. The time of a call is the median of 7 samples.
"""

import gc
import importlib
import inspect
import json
import pkgutil
import re
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PACKAGE = "tracked"
SAMPLE_S, SAMPLES, MOST_S, MOST_WAITED = 0.003, 7, 1.0, 0.02


def benchmarks(folder: Path) -> Iterator[tuple[str, type[Any], str]]:
    """Give the name, class and method of every benchmark, in order of names."""
    sys.path.insert(0, str(folder))
    package = importlib.import_module(PACKAGE)
    for module in sorted(one.name for one in pkgutil.iter_modules(package.__path__)):
        loaded = importlib.import_module(f"{PACKAGE}.{module}")
        for name, cls in sorted(vars(loaded).items()):
            if inspect.isclass(cls) and cls.__module__ == loaded.__name__:
                methods = [one for one in sorted(vars(cls)) if one.startswith("time_")]
                yield from ((f"{module}.{name}.{one}", cls, one) for one in methods)


def seconds_of(cls: type[Any], method: str) -> float:
    """Return the seconds of a call."""
    made = cls()
    if hasattr(made, "setup"):
        made.setup()
    try:
        call = getattr(made, method)
        call()
        return _median(call, _calls(call))
    finally:
        if hasattr(made, "teardown"):
            made.teardown()


def _calls(call: Callable[[], object]) -> int:
    calls = 1
    while _sample(call, calls)[0] < SAMPLE_S and calls < 1 << 20:
        calls *= 2
    return calls


def _median(call: Callable[[], object], calls: int) -> float:
    taken: list[tuple[float, float]] = []  # share without a CPU, seconds of a call
    undisturbed, begun = 0, time.monotonic()
    while undisturbed < SAMPLES and not (
        len(taken) >= SAMPLES and time.monotonic() - begun > MOST_S
    ):
        wall, cpu = _sample(call, calls)
        waited = 1 - cpu / wall
        undisturbed += waited <= MOST_WAITED
        taken.append((max(waited, 0.0), wall / calls))
    good = [one for one in taken if one[0] <= MOST_WAITED] or sorted(taken)[:SAMPLES]
    return statistics.median(seconds for _, seconds in good)


def _sample(call: Callable[[], object], calls: int) -> tuple[float, float]:
    """Return seconds on the wall and of the processor of so many calls."""
    gc.disable()
    cpu, begun = time.process_time_ns(), time.perf_counter_ns()
    for _ in range(calls):
        call()
    wall, spent = time.perf_counter_ns() - begun, time.process_time_ns() - cpu
    gc.enable()
    return wall / 1e9, spent / 1e9


def main(arguments: list[str]) -> int:
    """Print what was timed: name -> seconds, or the error of a benchmark."""
    folder, pattern, *rest = arguments
    known = [one for one in benchmarks(Path(folder)) if re.search(pattern, one[0])]
    harness = importlib.import_module("harness")
    answer: dict[str, Any] = {"code": harness.__file__, "names": [one[0] for one in known]}
    if rest != ["--list"]:
        answer["seconds"], answer["errors"] = {}, {}
        for name, cls, method in known:
            try:
                answer["seconds"][name] = seconds_of(cls, method)
            except Exception as error:  # of the revision that is timed; its reader judges
                traceback.print_exc()
                answer["errors"][name] = f"{type(error).__name__}: {error}"[:300]
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
