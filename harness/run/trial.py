"""One trial, inside its own process: fit -> build -> per search setting: score, measure."""

from typing import Any

from harness.data.best_possible import BestPossible
from harness.data.splits import Parts
from harness.errors import HarnessError
from harness.measure.clock import Clock, clock_for
from harness.measure.device import missing_device
from harness.measure.threads import set_threads
from harness.params import parse_params
from harness.registry import load_method
from harness.retriever import Capability, Retriever
from harness.run.first_look import look_first
from harness.run.inputs import load_parts
from harness.run.messages import Sender
from harness.run.operating_point import Offline, measure_point
from harness.run.plan import BEST_POSSIBLE
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
    set_threads(spec.fit_threads)
    sender.stage("data", 0, 1)
    parts = load_parts(spec.dataset, spec.dataset_params, spec.split, place.data_root)
    retriever = make_retriever(spec, sender, parts.truth)
    clock = clock_for(spec.device)
    offline = fit_and_build(spec, retriever, parts, clock, sender)
    set_threads(spec.threads)
    look = None
    for number, search in enumerate(spec.searches):
        sender.stage("measure", number, len(spec.searches), describe(search))
        retriever.search_params = parse_params(retriever.SearchParams, search)
        look = look_first(spec, retriever, parts.test.queries, clock, look)
        for record in measure_point(spec, search, retriever, parts, offline, place, clock, look):
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


def fit_and_build(
    spec: TrialSpec, retriever: Retriever, parts: Parts, clock: Clock, sender: Sender
) -> Offline:
    """Fit, refit where declared, and build; each timed apart."""
    uses_validation = Capability.VALIDATION in retriever.capabilities
    refit_s = None
    sender.stage("fit", 0, 1)
    start = clock()
    if uses_validation:
        retriever.fit(parts.train, parts.validation)
    else:
        retriever.fit(parts.full_train, None)
    fit_s = clock() - start
    if spec.refit and Capability.REFIT in retriever.capabilities:
        sender.stage("refit", 0, 1)
        start = clock()
        retriever.refit(parts.full_train)
        refit_s = clock() - start
    sender.stage("build", 0, 1)
    start = clock()
    retriever.build()
    return Offline(fit_s, refit_s, clock() - start)


def describe(search: Table) -> str:
    """Return a search setting in a few words."""
    return ", ".join(f"{name} = {value}" for name, value in search.items())
