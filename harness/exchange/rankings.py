"""Rankings by name: what any system returned and what is judged relevant -> ids that we can score.

A run is query -> document -> score, judgements are query -> document -> grade; names are text.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from harness.errors import ExchangeError
from harness.lists import IntArray, Lists
from harness.topk import PAD_ID

Run = Mapping[str, Mapping[str, float]]
Judgements = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Aligned:
    """The queries that have something relevant, in the order of the judgements.

    Attributes
    ----------
    queries : their n names.
    ids : int64 (n, width), numbers of documents, best first, -1 beyond the end of a list.
    relevant : n lists of numbers, none empty.
    n_documents : different documents of run and judgements.
    missing : queries that the run does not answer; they score 0.
    unjudged : queries of the run without judgements; left out.
    without_relevant : judged queries in which nothing is relevant; left out.
    tied_lists : lists in which two documents have the same score.
    """

    queries: list[str]
    ids: IntArray
    relevant: Lists
    n_documents: int
    missing: int
    unjudged: int
    without_relevant: int
    tied_lists: int


def align(run: Run, judged: Judgements, min_grade: float = 1.0) -> Aligned:
    """Bring a run and judgements together.

    Documents are ordered as trec_eval does it: by score in single precision, ties by name, both
    descending; ranks in the file are not looked at.

    Parameters
    ----------
    min_grade : from it on a document is relevant; grades are not told apart beyond that.

    Raises
    ------
    ExchangeError
        No judged query is in the run, or none has a relevant document: the files do not belong
        together, or names are written differently.
    """
    relevant = {
        query: [one for one, grade in grades.items() if grade >= min_grade]
        for query, grades in judged.items()
    }
    queries = [query for query, documents in relevant.items() if documents]
    if not queries:
        raise ExchangeError(f"no judgement has a grade of at least {min_grade:g}")
    if not any(query in run for query in queries):
        raise ExchangeError(
            f"run and judgements share no query: the run has {_some(run)}, the judgements have "
            f"{_some(judged)}"
        )
    ordered = [_order(run.get(query, {})) for query in queries]
    numbers: dict[str, int] = {}
    for query, (documents, _) in zip(queries, ordered, strict=True):
        for document in (*documents, *relevant[query]):
            numbers.setdefault(document, len(numbers))
    width = max(1, *(len(documents) for documents, _ in ordered))
    ids = np.full((len(queries), width), PAD_ID, np.int64)
    for row, (documents, _) in enumerate(ordered):
        ids[row, : len(documents)] = [numbers[one] for one in documents]
    return Aligned(
        queries,
        ids,
        Lists.of([[numbers[one] for one in relevant[query]] for query in queries]),
        len(numbers),
        sum(query not in run for query in queries),
        sum(query not in judged for query in run),
        len(judged) - len(queries),
        sum(is_tied for _, is_tied in ordered),
    )


def _order(scored: Mapping[str, float]) -> tuple[list[str], bool]:
    """Return documents best first, and whether two have the same score."""
    values = np.array(list(scored.values()), np.float32).tolist()
    pairs = sorted(zip(values, scored, strict=True), reverse=True)
    return [document for _, document in pairs], len(set(values)) < len(values)


def _some(names: Mapping[str, object]) -> str:
    shown = ", ".join(list(names)[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
