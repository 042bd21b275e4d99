"""What a built method takes when it is saved and served: the four numbers of memory."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.interactions import Queries
from harness.measure.held import account_warning
from harness.measure.memory import SAMPLED, status_bytes
from harness.measure.phases import Phases
from harness.retriever import Capability, Retriever
from harness.run.query_files import save_queries
from harness.run.saved import remove_saved, saved_folder
from harness.run.serve import ServeAnswer, ServeRequest
from harness.run.trial_spec import Place, TrialSpec

TIME_LIMIT_S = 300.0  # of the fresh process; less where the trial's own limit is
N_QUERIES = 256  # that it searches in one call, at most
# Keys of `Record.memory` that the fresh process fills.
ANSWERED = (
    "held_bytes",
    "steady_bytes",
    "mapped_bytes",
    "empty_bytes",
    "search_peak_bytes",
    "device_context_bytes",
    "device_steady_bytes",
    "device_search_peak_bytes",
    "device_allocator_peak_bytes",
)


@dataclass(frozen=True, slots=True)
class Served:
    """Keys of `Record.memory`, None where nothing was measured; and what a reader should know."""

    memory: Mapping[str, int | None] = field(
        default_factory=lambda: dict.fromkeys(("disk_bytes", *ANSWERED))
    )
    warnings: tuple[str, ...] = ()


def measure_served(
    spec: TrialSpec, retriever: Retriever, queries: Queries, place: Place, phases: Phases
) -> Served:
    """Save the method, serve it in a fresh process, and return what that took.

    ``save`` and ``load`` join ``phases``. What goes wrong is a warning: the trial goes on. The
    folder ``saved/<trial id>`` is removed again. A method that does not save has no such numbers.
    """
    if Capability.SAVE not in retriever.capabilities:
        return Served()
    folder = saved_folder(spec, place)
    remove_saved(spec, place)
    memory: dict[str, int | None] = dict(Served().memory)
    limit, held = spec.memory_limit_bytes, status_bytes("RssAnon")
    if limit is not None and 2 * held > limit:  # the limit is the method's, not its second copy's
        lacking = f"memory_limit_mb = {limit / 1e6:g} leaves no room for a second process"
        return Served(memory, (f"the saved index was not measured: {lacking}",))
    try:
        saved, asked = folder / "method", folder / "queries"
        saved.mkdir(parents=True)
        asked.mkdir()
        with phases.phase("save"):
            retriever.save(saved)
        memory["disk_bytes"] = sum(one.stat().st_size for one in saved.rglob("*") if one.is_file())
        save_queries(asked, queries.take(np.arange(min(len(queries), N_QUERIES))))
        answer = _serve(spec, folder)
    except Exception as error:  # whatever a method's save or load raises becomes a warning
        reason = f"{type(error).__name__}: {error}"[:500]
        return Served(memory, (f"the saved index was not measured: {reason}",))
    finally:
        remove_saved(spec, place)
    phases.seconds["load"], phases.peak_bytes["load"] = answer.load_s, answer.load_peak_bytes
    memory |= {name: getattr(answer, name) for name in ANSWERED}
    return Served(memory, warnings_of(answer))


def warnings_of(answer: ServeAnswer) -> tuple[str, ...]:
    """Return what a reader of the numbers should know."""
    warnings = []
    held = answer.held_bytes
    if held is not None and (apart := account_warning(answer.logical_bytes, held)):
        warnings.append(apart)
    if answer.growth_bytes:
        warnings.append(f"memory grew by {answer.growth_bytes} bytes a query while searching")
    if answer.peaks_sampled:
        warnings.append(SAMPLED)
    if answer.compiled:
        warnings.append("kernels were compiled while memory was measured, which is in the numbers")
    return tuple(warnings)


def _serve(spec: TrialSpec, folder: Path) -> ServeAnswer:
    """Run the fresh process; once more where it had to compile kernels, which then are kept."""
    answer = _serve_once(spec, folder)
    return _serve_once(spec, folder) if answer.compiled else answer


def _serve_once(spec: TrialSpec, folder: Path) -> ServeAnswer:
    """Run the fresh process to its end.

    Raises
    ------
    RuntimeError
        It ended badly; says how, and the last line that it printed.
    subprocess.TimeoutExpired
        It ran past its limit; it was killed.
    """
    request = ServeRequest(
        method=spec.method,
        build=spec.build,
        device=spec.device,
        threads=spec.threads,
        k=spec.k,
        searches=spec.searches,
        imports=tuple(sorted(name for name in sys.modules if "." not in name and name[0] != "_")),
        saved=str(folder / "method"),
        queries=str(folder / "queries"),
        answer=str(folder / "answer.json"),
    )
    command = [sys.executable, "-P", "-m", "harness.run.serve"]
    # Its input stays open, and ends with this process: it does not outlive its parent. It is of
    # the same process group, so that the trial's limits count and end it too.
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stdin, os.fdopen(writing, "wb", buffering=0) as pipe:
        pipe.write(request.to_json().encode() + b"\n")
        done = subprocess.run(
            command,
            check=False,
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=min(TIME_LIMIT_S, spec.time_limit_s),
        )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["it printed nothing"]
        raise RuntimeError(f"serving ended with status {done.returncode}: {last[0]}")
    values: dict[str, Any] = json.loads(Path(request.answer).read_text(encoding="utf-8"))
    return ServeAnswer(**values)
