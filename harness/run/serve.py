"""A fresh process that only serves: ``python -P -m harness.run.serve``, a request on its input.

It imports, loads a saved method, answers one query, then a batch under each search setting, and
says what memory each of these took: the difference of two readings inside the process that built
the index would be distorted by whatever that process had taken and freed before.
"""

import contextlib
import importlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from harness.interactions import Queries
from harness.measure.clock import clock_for
from harness.measure.device_memory import DeviceMeter, device_meter, watch_device
from harness.measure.growth import growth_per_query
from harness.measure.held import held_by
from harness.measure.memory import PhasePeak, anonymous_bytes, mapped_bytes
from harness.measure.threads import set_threads
from harness.params import parse_params
from harness.registry import load_method
from harness.retriever import Retriever
from harness.run.query_files import load_queries
from harness.run.trial_spec import Table

PARENT_GONE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeRequest:
    """What the fresh process is to do.

    Attributes
    ----------
    method, build, device, threads, k, searches : as in the trial.
    imports : modules that the method will load on the way; they are imported before it is.
    saved, queries : folders of the saved method and of some queries.
    answer : the file that takes what `ServeAnswer` holds.
    """

    method: str
    build: Table
    device: str
    threads: int
    k: int
    searches: tuple[Table, ...]
    imports: tuple[str, ...]
    saved: str
    queries: str
    answer: str

    def to_json(self) -> str:
        """Return the request as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        values = json.loads(text)
        for name in ("searches", "imports"):
            values[name] = tuple(values[name])
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeAnswer:
    """What the fresh process found; bytes but for ``load_s``. None: not told, or no device.

    ``logical_bytes`` and ``held_bytes`` are host and device together. ``compiled`` says that a
    kernel was compiled on the way, whose memory is in the numbers: the next process finds it done.
    """

    load_s: float
    load_peak_bytes: int
    empty_bytes: int
    steady_bytes: int
    mapped_bytes: int
    search_peak_bytes: int
    held_bytes: int | None
    logical_bytes: int
    growth_bytes: int
    device_context_bytes: int | None
    device_steady_bytes: int | None
    device_search_peak_bytes: int | None
    device_allocator_peak_bytes: int | None
    peaks_sampled: bool
    compiled: bool


def main() -> int:
    """Do what the request on standard input asks, and write the answer."""
    request = ServeRequest.from_json(sys.stdin.buffer.readline().decode())
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    answer = serve(request)
    Path(request.answer).write_text(json.dumps(asdict(answer)), encoding="utf-8")
    return 0


def serve(request: ServeRequest) -> ServeAnswer:
    """Load, serve one query and then a batch per setting; return what memory that took."""
    cls = load_method(request.method)
    for name in request.imports:
        with contextlib.suppress(Exception):  # of no use to this method, or it will say so itself
            importlib.import_module(name)
    set_threads(request.threads)
    retriever = cls(parse_params(cls.BuildParams, request.build), device=request.device)
    settings = [parse_params(cls.SearchParams, one) for one in request.searches]
    queries, clock = load_queries(Path(request.queries)), clock_for(request.device)
    with _compilations() as compiled:
        meter = device_meter(request.device)
        empty = anonymous_bytes()
        peak, start = PhasePeak(), clock()
        retriever.load(Path(request.saved))
        load_s, load_peak = clock() - start, peak.stop()
        retriever.search_params = settings[0]
        retriever.search(queries.take(np.zeros(1, np.int64)), request.k)
        steady, mapped = anonymous_bytes(), mapped_bytes(Path(request.saved))
        device_steady = None if meter is None else meter.steady_bytes()
        peaks = _search_peaks(retriever, settings, queries, request.k, meter)
        retriever.search_params = settings[0]
        growth = growth_per_query(retriever, queries, request.k)
    held = held_by(retriever)
    return ServeAnswer(
        load_s=load_s,
        load_peak_bytes=load_peak,
        empty_bytes=empty,
        steady_bytes=steady,
        mapped_bytes=mapped,
        held_bytes=held.host_bytes + held.device_bytes if held.is_whole else None,
        logical_bytes=_logical_bytes(retriever, settings),
        growth_bytes=growth,
        device_context_bytes=None if meter is None else meter.context_bytes,
        device_steady_bytes=device_steady,
        peaks_sampled=peak.is_sampled,
        compiled=bool(compiled),
        **peaks,
    )


def _search_peaks(
    retriever: Retriever,
    settings: list[Any],
    queries: Queries,
    k: int,
    meter: DeviceMeter | None,
) -> dict[str, Any]:
    """Search all queries in one call under each setting; return the peaks on host and device."""
    peak = PhasePeak()
    with watch_device(meter) as seen:
        for one in settings:
            retriever.search_params = one
            retriever.search(queries, k)
    return {
        "search_peak_bytes": peak.stop(),
        "device_search_peak_bytes": seen.driver_bytes,
        "device_allocator_peak_bytes": seen.allocator_bytes,
    }


def _logical_bytes(retriever: Retriever, settings: list[Any]) -> int:
    """Return the method's own account, under the setting for which it is largest."""
    accounts = []
    for one in settings:
        retriever.search_params = one
        accounts.append(retriever.footprint().index_bytes)
    return max(accounts)


@contextlib.contextmanager
def _compilations() -> Iterator[list[Any]]:
    """Give the list of what numba compiles inside, where a method uses numba."""
    if "numba" not in sys.modules:
        yield []
        return
    events = importlib.import_module("numba.core.event")
    with events.install_recorder("numba:compile") as recorder:
        yield recorder.buffer


def _leave_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):  # unbuffered: no lock to hold when the process ends
        pass
    os._exit(PARENT_GONE)


if __name__ == "__main__":
    sys.exit(main())
