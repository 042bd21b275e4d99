"""TREC runs and qrels, the text files of trec_eval, and the qrels of a BEIR folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from harness.errors import ExchangeError
from harness.exchange.rankings import Judgements, Run
from harness.exchange.strict import Scores
from harness.lists import IntArray, Lists
from harness.topk import PAD_ID

RUN_LINE = "query Q0 document rank score tag"
QRELS_LINE = "query 0 document grade"
BEIR_HEADER = ("query-id", "corpus-id", "score")


def query_names(user_ids: IntArray) -> list[str]:
    """Return a name for each query: its user's id, or its row where users are unknown or repeat.

    >>> query_names(np.array([4, 7])), query_names(np.array([-1, -1]))
    (['4', '7'], ['0', '1'])
    """
    distinct = np.unique(user_ids).size == user_ids.size and (user_ids >= 0).all()
    return [str(one) for one in (user_ids if distinct else np.arange(user_ids.size)).tolist()]


def write_run(path: Path, names: Sequence[str], ids: IntArray, scores: Scores, tag: str) -> None:
    """Write the lists of all queries; pads are left out.

    Nine digits stand for a float32: two scores that differ are two texts, in the same order.

    Parameters
    ----------
    ids, scores : (n, k), best first; the scores as `strict_scores` returns them.
    tag : the last word of each line, without blanks.
    """
    with path.open("w", encoding="utf-8") as file:
        for name, row, values in zip(names, ids.tolist(), scores.tolist(), strict=True):
            pairs = enumerate(zip(row, values, strict=True), 1)
            file.writelines(
                f"{name} Q0 {item} {rank} {value:.9g} {tag}\n"
                for rank, (item, value) in pairs
                if item != PAD_ID
            )


def write_qrels(path: Path, names: Sequence[str], relevant: Lists) -> None:
    """Write what is relevant to each query, each with grade 1."""
    with path.open("w", encoding="utf-8") as file:
        for row, name in enumerate(names):
            file.writelines(f"{name} 0 {item} 1\n" for item in relevant.row(row).tolist())


def read_run(path: Path) -> Run:
    """Read a run file: six words a line; rank and tag are not looked at, as trec_eval does.

    Raises
    ------
    ExchangeError
        Another number of words, a score that is no finite number, or a document that a query holds
        twice; says the line.
    """
    run: dict[str, dict[str, float]] = {}
    for number, line in _lines(path):
        words = line.split()
        if len(words) != 6:
            raise _fault(path, number, f"{len(words)} words", f"six: {RUN_LINE}")
        query, _, document, _, score, _ = words
        found = run.setdefault(query, {})
        if document in found:
            raise _fault(path, number, f"document {document} of query {query} again", "it once")
        found[document] = _number(path, number, score, "a score")
    if not run:
        raise ExchangeError(f"{path}: holds no line; expected {RUN_LINE}")
    return run


def read_qrels(path: Path) -> Judgements:
    """Read judgements: four words a line, or below BEIR's header three between tabs.

    Raises
    ------
    ExchangeError
        Another number of words, a grade that is no number, or a document that a query holds twice
        with different grades; says the line.
    """
    judged: dict[str, dict[str, float]] = {}
    is_beir = False
    for number, line in _lines(path):
        words = line.split("\t") if is_beir else line.split()
        if number == 1 and tuple(words) == BEIR_HEADER:
            is_beir = True
            continue
        expected = "\t".join(BEIR_HEADER) if is_beir else QRELS_LINE
        n_expected = len(BEIR_HEADER) if is_beir else 4
        if len(words) < n_expected or (is_beir and len(words) > n_expected):
            raise _fault(path, number, f"{len(words)} words", f"{n_expected}: {expected}")
        query, document = words[0].strip(), words[1 if is_beir else 2].strip()
        grade = _number(path, number, words[2 if is_beir else 3], "a grade")
        found = judged.setdefault(query, {})
        if found.setdefault(document, grade) != grade:
            shown = f"document {document} of query {query} again, graded {grade:g}"
            raise _fault(path, number, shown, f"{found[document]:g} as before")
    if not judged:
        raise ExchangeError(f"{path}: holds no line; expected {QRELS_LINE}")
    return judged


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, with their numbers from 1."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ExchangeError(f"{path}: cannot be read: {error.strerror}") from error
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, line.decode()
        except UnicodeDecodeError as error:
            raise _fault(path, number, f"byte {line[error.start]:#04x}", "UTF-8 text") from None


def _number(path: Path, line: int, text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise _fault(path, line, repr(text), f"{what}, a finite number")
    return value


def _fault(path: Path, line: int, found: str, expected: str) -> ExchangeError:
    return ExchangeError(f"{path}: line {line}: found {found}, expected {expected}")
