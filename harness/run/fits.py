"""One fit, many indexes: trials that differ in what only `build` reads share a fitted model."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from harness.data.splits import Parts
from harness.measure.machine import describe_environment, describe_machine
from harness.retriever import Capability, Retriever
from harness.run.code import code_of
from harness.run.learning import learned_from
from harness.run.trial_spec import Place, TrialSpec, digest

FITS, MODEL, ACCOUNT = "fits", "model", "fit.json"
PHASES = ("fit", "refit")
# What a trial measures and how; a fit depends on none of it.
UNREAD = ("searches", "loads", "metrics", "k", "threads", "profile", "repeat")


@dataclass(frozen=True, slots=True)
class Fit:
    """What is known of a fitted model that another trial left.

    Attributes
    ----------
    attempt : that fitted it, as in the records.
    seconds : ``fit`` and, where there was one, ``refit`` -> seconds, those included that an
        interrupted attempt had spent.
    warnings : what a reader of the seconds should know.
    """

    attempt: str
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, account: dict[str, Any]) -> Self:
        """Return what `keep_fit` wrote."""
        return cls(account["attempt"], account["seconds"], tuple(account["warnings"]))

    def told(self) -> tuple[str, ...]:
        """Return what a reader of a trial that took it over should know."""
        return (
            f"the fit is that of attempt {self.attempt}, and so are its seconds",
            *self.warnings,
        )


def shares_fits(spec: TrialSpec, retriever: Retriever) -> bool:
    """Return whether a fit goes from one trial to another: not where its noise is measured."""
    return Capability.SAVE_FIT in retriever.capabilities and spec.pairs is None


def remove_fits(folder: Path) -> None:
    """Remove what trials have left in a folder of results."""
    shutil.rmtree(folder / FITS, ignore_errors=True)


def fit_folder(spec: TrialSpec, place: Place, data_hash: str, index_params: frozenset[str]) -> Path:
    """Return ``fits/<what is learned>/<what else it depends on>`` of the results.

    The first part stands for method, build parameters but ``index_params``, data, split, seed, fit
    threads, device and refitting; the second for code, data, machine and libraries, as that of a
    checkpoint does: what others left is removed.
    """
    learned = spec.work()
    for name in UNREAD:
        del learned[name]
    learned["build"] = {name: one for name, one in spec.build.items() if name not in index_params}
    own = place.folder / FITS / f"{spec.method}-{digest(learned)}"
    work = [code_of(spec.method), data_hash, describe_machine(), describe_environment()]
    folder = own / digest(work)
    if own.is_dir():
        for other in own.iterdir():
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
    return folder


def take_fit(retriever: Retriever, folder: Path, spec: TrialSpec, parts: Parts) -> Fit | None:
    """Give the retriever the model that lies in a folder; None where there is none.

    Raises
    ------
    MethodError
        The model is damaged; names the file, without which it is fitted anew.
    """
    account = folder / ACCOUNT
    if not account.is_file():
        return None
    uses_all = learned_from(spec, retriever) == "training and validation"
    retriever.load_fit(folder / MODEL, parts.full_train if uses_all else parts.train)
    return Fit.of(json.loads(account.read_text(encoding="utf-8")))


def keep_fit(retriever: Retriever, folder: Path, fit: Fit) -> None:
    """Write the model for other trials; they see the whole folder or none."""
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / MODEL).mkdir(parents=True)
    retriever.save_fit(partial / MODEL)
    tell_fit(partial, fit)
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)


def tell_fit(folder: Path, fit: Fit) -> None:
    """Write what is known of the model of a folder, in the place of what was."""
    account = {"attempt": fit.attempt, "seconds": fit.seconds, "warnings": list(fit.warnings)}
    partial = folder / f"{ACCOUNT}.partial"
    partial.write_text(json.dumps(account), encoding="utf-8")
    partial.replace(folder / ACCOUNT)
