"""One trial, inside its own process: fit -> build -> save, serve apart -> per setting: measure."""

from typing import Any

from harness.data.best_possible import BestPossible
from harness.errors import HarnessError
from harness.measure.clock import clock_for
from harness.measure.device import missing_device
from harness.measure.device_memory import device_meter
from harness.measure.phases import Phases
from harness.measure.workplace import FIT, MEASURE, Workplace
from harness.params import parse_params
from harness.record import SELECTED_ON_TEST
from harness.registry import load_method
from harness.retriever import Capability, Retriever
from harness.run.checkpoints import checkpoint_folder
from harness.run.first_look import look_first
from harness.run.fits import fit_folder, shares_fits
from harness.run.inputs import load_parts
from harness.run.messages import Sender
from harness.run.offline import Offline, fit_and_build, offline_memory, offline_warnings
from harness.run.operating_point import measure_point
from harness.run.plan import BEST_POSSIBLE
from harness.run.served import measure_served
from harness.run.trial_spec import Place, Table, TrialSpec
from harness.seeding import derive_seed


class MissingDeviceError(HarnessError):
    """The machine lacks the device of the trial, or the method cannot use it."""


def run_trial(spec: TrialSpec, place: Place, sender: Sender) -> None:
    """Run one trial and send a record per search setting and load.

    Raises
    ------
    MissingDeviceError
        ``spec.device`` is not there.
    HarnessError
        The data or the method refuse; anything else a method raises passes through.
    """
    if reason := missing_device(spec.device):
        raise MissingDeviceError(reason)
    workplace = Workplace(spec.device, spec.limits)
    workplace.settle(FIT, spec.fit_threads)
    sender.stage("data", 0, 1)
    parts = load_parts(spec.dataset, spec.dataset_params, spec.split, place.data_root)
    retriever = make_retriever(spec, sender, parts.truth)
    retriever.checkpoint_folder = checkpoint_folder(spec, place, parts.data_hash)
    clock, meter = clock_for(spec.device), device_meter(spec.device)
    phases = Phases(clock)
    fits = None
    if shares_fits(spec, retriever):
        fits = fit_folder(spec, place, parts.data_hash, retriever.index_params)
    seen, fit = fit_and_build(spec, retriever, parts, phases, meter, sender, fits, place.attempt)
    workplace.settle(MEASURE, spec.threads)
    sender.stage("save", 0, 1)
    served = measure_served(spec, retriever, parts.test.queries, place, phases)
    of_fit = offline_warnings(retriever) if fit is None else fit.told()
    offline = Offline(
        phases.seconds,
        phases.peak_bytes,
        offline_memory(phases, seen, served.memory, fit),
        parts.full_train.n_items,
        tuple(
            dict.fromkeys(
                (*_of_selection(spec, retriever), *phases.warnings, *served.warnings, *of_fit)
            )
        ),
        seen.allocator_bytes,
        None if fit is None else fit.attempt,
    )
    look = None
    for number, search in enumerate(spec.searches):
        sender.stage("measure", number, len(spec.searches), describe(search))
        retriever.search_params = parse_params(retriever.SearchParams, search)
        look = look_first(spec, retriever, parts.test.queries, clock, look)
        points = measure_point(
            spec, search, retriever, parts, offline, place, clock, workplace, look
        )
        for record in points:
            sender.record(record)


def make_retriever(spec: TrialSpec, sender: Sender, truth: Any) -> Retriever:
    """Return the method of the trial, not yet fitted."""
    seed = derive_seed(spec.seed, "method")
    if spec.method == BEST_POSSIBLE:
        return BestPossible(truth)
    cls = load_method(spec.method)
    if spec.device not in cls.devices:
        raise MissingDeviceError(f"runs on {', '.join(cls.devices)}, not on {spec.device}")
    params = parse_params(cls.BuildParams, spec.build)
    return cls(params, device=spec.device, seed=seed, progress=sender.stage)


def _of_selection(spec: TrialSpec, retriever: Retriever) -> tuple[str, ...]:
    """Return what to know of a method that chose by what it is measured on."""
    chooses = Capability.VALIDATION in retriever.capabilities
    return (SELECTED_ON_TEST,) if chooses and spec.split.get("select_on") == "test" else ()


def describe(search: Table) -> str:
    """Return a search setting in a few words; none is what the method does not read."""
    return ", ".join(f"{name} = {value}" for name, value in search.items() if value is not None)
