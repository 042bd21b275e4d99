"""The offline part of a trial: fit, refit where declared, build; and what it adds to records."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.data.splits import Parts
from harness.measure.device_memory import DeviceMeter, DeviceWatch, watch_device
from harness.measure.phases import Phases
from harness.retriever import Retriever
from harness.run.fits import PHASES, Fit, keep_fit, take_fit, tell_fit
from harness.run.learning import fit_first, refits
from harness.run.messages import Sender
from harness.run.trial_spec import TrialSpec
from harness.stages import no_mark

NOT_BUILT = (
    "the attempt that fitted it did not finish building: seconds that an interrupted one had spent "
    "before are not counted"
)


@dataclass(frozen=True, slots=True)
class Offline:
    """What came before the first query.

    Attributes
    ----------
    seconds, peak_bytes : phase -> seconds, and largest resident set meanwhile.
    memory : keys of `Record.memory` that do not depend on the search setting.
    n_items : size of the catalogue.
    warnings : what a reader of these should know.
    allocator_peak_bytes : what torch had allocated on the device at most; None on the CPU.
    fitted_by : the attempt whose fit was taken over; None where this one fitted.
    """

    seconds: Mapping[str, float]
    peak_bytes: Mapping[str, int]
    memory: Mapping[str, int | None] = field(default_factory=dict)
    n_items: int = 0
    warnings: tuple[str, ...] = ()
    allocator_peak_bytes: int | None = None
    fitted_by: str | None = None


def fit_and_build(
    spec: TrialSpec,
    retriever: Retriever,
    parts: Parts,
    phases: Phases,
    meter: DeviceMeter | None,
    sender: Sender,
    fits: Path | None,
    attempt: str,
) -> tuple[DeviceWatch, Fit | None]:
    """Fit, refit where declared, and build, each a phase of its own; the build's marks as well.

    A model that lies in ``fits`` is taken over in the place of fitting; one that is fitted is left
    there before anything is built, so that an index that cannot be does not cost it. Returns what
    the device's memory came to meanwhile, and what is known of a fit that was taken over, whose
    seconds are then those of ``phases``.
    """
    taken = None
    with watch_device(meter) as seen:
        sender.stage("fit", 0, 1)
        if fits is not None and fits.is_dir():
            with phases.phase("load_fit"):
                taken = take_fit(retriever, fits, spec, parts)
        if taken is None:
            _fit(spec, retriever, parts, phases, sender)
            if fits is not None:
                keep_fit(retriever, fits, Fit(attempt, _seconds(phases, {}), (NOT_BUILT,)))
        else:
            phases.seconds.update(taken.seconds)
        sender.stage("build", 0, 1)
        with phases.phase("build") as mark:
            retriever.mark = mark
            retriever.build()
            retriever.mark = no_mark
    if fits is not None and taken is None:
        seconds = _seconds(phases, retriever.footprint().taken_over_s)
        tell_fit(fits, Fit(attempt, seconds, offline_warnings(retriever)))
    return seen, taken


def _seconds(phases: Phases, earlier: Mapping[str, float]) -> dict[str, float]:
    spent = phases.seconds
    return {name: spent[name] + earlier.get(name, 0.0) for name in PHASES if name in spent}


def _fit(
    spec: TrialSpec, retriever: Retriever, parts: Parts, phases: Phases, sender: Sender
) -> None:
    with phases.phase("fit"):
        fit_first(retriever, parts)
    if refits(spec, retriever):
        sender.stage("refit", 0, 1)
        with phases.phase("refit"):
            retriever.refit(parts.full_train)


def offline_memory(
    phases: Phases, seen: DeviceWatch, served: Mapping[str, int | None], fit: Fit | None
) -> dict[str, int | None]:
    """Return the keys of `Record.memory` that do not depend on the search setting.

    Where ``fit`` was taken over the device's peak is none: others' covers fitting too.
    """
    allocated = (seen.allocator_bytes, served["device_allocator_peak_bytes"])
    told = [one for one in allocated if one is not None]
    return {
        **served,
        "build_peak_bytes": phases.peak_bytes["build"],
        "device_build_peak_bytes": seen.driver_bytes if fit is None else None,
        "device_allocator_peak_bytes": max(told) if told else None,
    }


def offline_fields(retriever: Retriever, offline: Offline) -> dict[str, Any]:
    """Return the fields of a record that come from before the first query."""
    footprint = retriever.footprint()
    seconds, earlier = dict(offline.seconds), footprint.taken_over_s
    for phase, spent in earlier.items():
        seconds[phase] += spent
    details = {name: float(value) for name, value in footprint.details.items()}
    logical, n_codes = footprint.index_bytes, details.get("codes_in_use")
    return {
        "fit_s": seconds["fit"],
        "refit_s": seconds.get("refit"),
        "build_s": seconds["build"],
        "index_bytes": logical,
        "offline_s": seconds,
        "offline_peak_bytes": offline.peak_bytes,
        "memory": {
            "logical_bytes": logical,
            **offline.memory,
            "bytes_per_item": logical / offline.n_items if offline.n_items else None,
            "bytes_per_code": logical / n_codes if n_codes else None,
        },
        "details": details,
        "history": {phase: _finite(epochs) for phase, epochs in footprint.history.items()},
        "taken_over_s": dict(earlier),
        "fitted_by": offline.fitted_by,
    }


def offline_warnings(retriever: Retriever) -> tuple[str, ...]:
    """Return what to know of a trial that was interrupted, and of a training that diverged."""
    footprint = retriever.footprint()
    resumed = (
        f"{phase} went on from the checkpoint of an interrupted attempt: {spent:.3g} s of its "
        "seconds were spent there, and its peak memory is that of this attempt"
        for phase, spent in footprint.taken_over_s.items()
    )
    diverged = (
        f"{phase} ended with epoch {len(epochs)}, whose loss is {epochs[-1]['loss']}: weights of "
        "an earlier one are kept"
        for phase, epochs in footprint.history.items()
        if epochs and not math.isfinite(epochs[-1].get("loss", 0.0))
    )
    return *resumed, *diverged


def _finite(epochs: Sequence[Mapping[str, float]]) -> list[dict[str, float | None]]:
    """Return the epochs with null for what is not finite, as the loss of a training that fails."""
    return [
        {name: float(value) if math.isfinite(value) else None for name, value in one.items()}
        for one in epochs
    ]
