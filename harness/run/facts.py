"""Facts of trials: fit, build, answer every test query once; nothing is timed.

All on one thread, whatever the suite says: sums do not depend on how work was divided, and threads
that wait for each other on a busy machine cost many times what they save.

Run as ``python -P -m harness.run.facts``: specs as JSON lines on standard input, a folder as the
argument, where ``facts.jsonl`` and ``<number>.npz`` come to lie.
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.data.best_possible import BestPossible
from harness.data.splits import Parts
from harness.errors import HarnessError
from harness.facts import Facts, Taken, hash_of_lists
from harness.measure.threads import set_threads
from harness.metrics.metric import VERSION
from harness.params import parse_params
from harness.registry import load_method
from harness.retriever import Capability, Retriever
from harness.run.inputs import load_parts
from harness.run.learning import fit_first, refits
from harness.run.plan import BEST_POSSIBLE
from harness.run.quality import answer_all, assess
from harness.run.spawn import thread_environment
from harness.run.trial_spec import Table, TrialSpec
from harness.seeding import derive_seed

FILE = "facts.jsonl"
LOG = "facts.log"


def take_facts(
    specs: Sequence[TrialSpec], exact: Sequence[str], folder: Path, data_root: Path | None
) -> list[Taken]:
    """Return the facts of trials, from a fresh process.

    Parameters
    ----------
    specs : of one suite; a trial that raises gives facts with a fault, the others go on.
    exact : cases whose lists are the same on every machine.
    folder : where the process leaves what it found, and ``facts.log``, what it printed.

    Raises
    ------
    HarnessError
        The process died; the data are missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in (folder / FILE, *folder.glob("*.npz")):
        old.unlink(missing_ok=True)
    command = [sys.executable, "-P", "-m", "harness.run.facts", str(folder)]
    lines = [json.dumps({"spec": one.to_dict(), "exact": one.case in exact}) for one in specs]
    with (folder / LOG).open("wb") as log:
        done = subprocess.run(
            command + ([] if data_root is None else [str(data_root)]),
            input="\n".join(lines).encode(),
            stdout=log,
            stderr=log,
            env={**os.environ, **thread_environment(replace(specs[0], threads=1, fit_threads=1))},
            check=False,
        )
    if done.returncode:
        last = (folder / LOG).read_text(errors="replace").strip().splitlines()[-1:]
        raise HarnessError(
            f"the process that takes facts ended with {done.returncode}: {' '.join(last)} "
            f"(log: {folder / LOG})"
        )
    return read_taken(folder)


def read_taken(folder: Path) -> list[Taken]:
    """Return what a process left in its folder."""
    taken = []
    lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        with np.load(folder / f"{number}.npz", allow_pickle=False) as arrays:
            values = {one: arrays[one] for one in arrays.files if one != "user_ids"}
            taken.append(Taken(Facts.from_dict(json.loads(line)), arrays["user_ids"], values))
    return taken


def main(arguments: list[str]) -> int:
    """Take the facts of every spec on standard input; 1 when the data cannot be had."""
    folder = Path(arguments[0])
    root = Path(arguments[1]) if len(arguments) > 1 else None
    asked = [json.loads(line) for line in sys.stdin.read().splitlines()]
    specs = [TrialSpec.from_json(json.dumps(one["spec"])) for one in asked]
    first, number = specs[0], 0
    set_threads(1)
    try:
        parts = load_parts(first.dataset, first.dataset_params, first.split, root)
    except HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    with (folder / FILE).open("w", encoding="utf-8") as file:
        for one, spec in zip(asked, specs, strict=True):
            for taken in _facts_of(spec, parts, exact=one["exact"]):
                np.savez_compressed(
                    folder / f"{number}.npz",
                    user_ids=taken.user_ids,
                    **taken.values,  # type: ignore[arg-type]  # names are taken for options
                )
                file.write(json.dumps(taken.facts.to_dict()) + "\n")
                number += 1
    return 0


def _facts_of(spec: TrialSpec, parts: Parts, *, exact: bool) -> Iterator[Taken]:
    """Give the facts of each search setting; after an error those of one, with the fault."""
    known: dict[str, Any] = {
        "case": spec.case, "method": spec.method, "build": spec.build, "device": spec.device,
        "seed": spec.seed, "data_hash": parts.data_hash, "metrics_version": VERSION,
        "exact": exact,
    }  # fmt: skip
    search = spec.searches[0]
    try:
        retriever = _built(spec, parts)
        for search in spec.searches:
            yield _taken(spec, search, retriever, parts, known)
    except Exception as error:  # whatever a method raises becomes facts with a fault
        traceback.print_exc()
        fault = f"{type(error).__name__}: {error}"[:500]
        yield Taken(Facts(**known, search=search, fault=fault), np.zeros(0, np.int64), {})


def _built(spec: TrialSpec, parts: Parts) -> Retriever:
    if spec.method == BEST_POSSIBLE:
        truth: Any = parts.truth  # the planner lets no suite on real data ask for it
        retriever: Retriever = BestPossible(truth)
    else:
        cls = load_method(spec.method)
        params = parse_params(cls.BuildParams, spec.build)
        seed = derive_seed(spec.seed, "method")
        retriever = cls(params, device=spec.device, seed=seed)
    fit_first(retriever, parts)
    if refits(spec, retriever):
        retriever.refit(parts.full_train)
    retriever.build()
    return retriever


def _taken(
    spec: TrialSpec, search: Table, retriever: Retriever, parts: Parts, known: Table
) -> Taken:
    retriever.search_params = parse_params(retriever.SearchParams, search)
    counts = Capability.COUNTERS in retriever.capabilities
    before = dict(retriever.counters()) if counts else {}
    answers = answer_all(retriever, parts.test.queries, spec.k)
    after = dict(retriever.counters()) if counts else {}
    quality = assess(spec, retriever, parts.test, parts.full_train.n_items, answers)
    user_ids = parts.test.queries.user_ids
    facts = Facts(
        **known,
        search=search,
        fault="; ".join(quality.faults) or None,
        n_queries=len(answers),
        lists=hash_of_lists(user_ids, answers.ids),
        index_bytes=retriever.footprint().index_bytes,
        counters={name: int(count - before[name]) for name, count in after.items()},
        metrics=dict(quality.means),
    )
    values = {
        name: _spread(one, quality.exact_rows, len(answers))
        for name, one in quality.per_query.items()
    }
    return Taken(facts, user_ids, values)


def _spread(
    values: npt.NDArray[np.float64], rows: npt.NDArray[np.int64], n: int
) -> npt.NDArray[np.float64]:
    """Return values of all queries, or of ``rows`` with NaN elsewhere."""
    if len(values) == n:
        return values
    spread = np.full(n, np.nan)
    spread[rows] = values
    return spread


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
