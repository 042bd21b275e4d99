"""What a trial learns from: the training part alone, or the validation part as well."""

from harness.data.splits import Parts
from harness.record import LearnedFrom
from harness.retriever import Capability, Retriever
from harness.run.trial_spec import TrialSpec


def refits(spec: TrialSpec, method: Retriever | type[Retriever]) -> bool:
    """Return whether the method learns once more from everything, with what validation chose."""
    return spec.refit and Capability.REFIT in method.capabilities


def learned_from(spec: TrialSpec, method: Retriever | type[Retriever]) -> LearnedFrom:
    """Return what a record says of it.

    A method that does not choose by validation has no use for a part set aside, and learns from
    all; where a split selects on test, training is all there is.
    """
    chooses = Capability.VALIDATION in method.capabilities
    if chooses and not refits(spec, method) and spec.split.get("select_on") != "test":
        return "training"
    return "training and validation"


def fit_first(retriever: Retriever, parts: Parts) -> None:
    """Fit on what `learned_from` says, but for refitting."""
    if Capability.VALIDATION in retriever.capabilities:
        retriever.fit(parts.train, parts.validation)
    else:
        retriever.fit(parts.full_train, None)
