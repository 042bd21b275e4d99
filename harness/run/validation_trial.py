"""One trial of `matchbench tune`, inside its own process: fit on training, score on validation."""

from harness.data.splits import ClosedParts
from harness.errors import MethodError
from harness.measure.clock import clock_for
from harness.measure.device import missing_device
from harness.measure.phases import Phases
from harness.measure.workplace import FIT, Workplace
from harness.params import parse_params
from harness.retriever import Capability, Retriever
from harness.run.inputs import load_closed_parts
from harness.run.messages import Scored, Sender
from harness.run.quality import answer_all, assess
from harness.run.trial import MissingDeviceError, describe, make_retriever
from harness.run.trial_spec import Place, Table, TrialSpec


def run_on_validation(spec: TrialSpec, place: Place, sender: Sender) -> None:
    """Fit on the training part, answer the validation queries and send the score.

    The test part is never made of the log. A method that declares VALIDATION sees the same
    validation part while it fits, to stop by; every other method sees none of it. Nothing is
    refitted and no checkpoint is kept: a trial that was interrupted starts anew, so that its time
    limit means what it says. Every search setting of the suite answers all queries; the best of
    them is the trial's value.

    Raises
    ------
    MissingDeviceError
        ``spec.device`` is not there.
    HarnessError
        The data or the method refuse, or answers are not what the contract says; anything else a
        method raises passes through.
    """
    if reason := missing_device(spec.device):
        raise MissingDeviceError(reason)
    Workplace(spec.device, spec.limits).settle(FIT, spec.fit_threads)  # nothing is timed to compare
    sender.stage("data", 0, 1)
    parts = load_closed_parts(spec.dataset, spec.dataset_params, spec.split, place.data_root)
    retriever = make_retriever(spec, sender, None)
    phases = Phases(clock_for(spec.device))
    sender.stage("fit", 0, 1)
    with phases.phase("fit"):
        chooses = Capability.VALIDATION in retriever.capabilities
        retriever.fit(parts.train, parts.validation if chooses else None)
    sender.stage("build", 0, 1)
    with phases.phase("build"):
        retriever.build()
    values = []
    for number, search in enumerate(spec.searches):
        sender.stage("validate", number, len(spec.searches), describe(search))
        values.append(_value_of(spec, retriever, parts, search))
    best = max(range(len(values)), key=values.__getitem__)  # the first of equals
    sender.scored(
        Scored(
            value=values[best],
            search=spec.searches[best],
            n_queries=len(parts.validation),
            fit_s=phases.seconds["fit"],
            build_s=phases.seconds["build"],
        )
    )


def _value_of(spec: TrialSpec, retriever: Retriever, parts: ClosedParts, search: Table) -> float:
    retriever.search_params = parse_params(retriever.SearchParams, search)
    n_items = parts.train.n_items
    answers = answer_all(retriever, parts.validation.queries, spec.k)
    quality = assess(spec, retriever, parts.validation, n_items, answers)
    if quality.faults:
        raise MethodError(f"its answers are not valid: {'; '.join(quality.faults)}")
    return quality.means[spec.metrics[0]]
