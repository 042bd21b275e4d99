"""A BEIR folder: documents and queries as JSON lines, judgements as tables, one for each part."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.by_path import BeirParams
from harness.data.files import DataFile, DataFolder
from harness.data.log import TEST, TRAIN, VALIDATION, Log, arrange
from harness.errors import DatasetError
from harness.fields import Column, Dense, Fields, MultiValued
from harness.lists import Lists

PARTS: Mapping[str, int] = {"train": TRAIN, "dev": VALIDATION, "test": TEST}
HEADER = "query-id\tcorpus-id\tscore"


@dataclass(frozen=True, slots=True)
class Texts:
    """Documents or queries: the number of each id, in the order of the file, and the texts."""

    numbers: Mapping[str, int]
    texts: Sequence[str]


def read_beir(params: BeirParams, place: Path) -> Log:
    """Read a folder as a log: queries are users, documents items, a judgement an event.

    qrels/train.tsv, dev.tsv and test.tsv give the split; which of them there are, the folder says.
    A query of the test part is as a rule judged nowhere else, and most documents are too, so a
    suite needs ``split = { kind = "given", cold_items = "keep", cold_users = "keep" }``, and
    methods that know queries and documents by their fields: ``words``, and ``vector`` where the
    folder holds corpus.npy and queries.npy, float (n, dim), a row for each line of the JSON files.
    A folder without train.tsv has no training part and cannot be split.

    Raises
    ------
    DatasetError
        A file is missing or damaged, a line is not as BEIR has it (says the line), an id is unknown
        or twice there, or vectors do not fit.
    """
    folder = DataFolder(place)
    corpus = read_texts(folder.read("corpus.jsonl"))
    queries = read_texts(folder.read("queries.jsonl"))
    names = {f"qrels/{part}.tsv": role for part, role in PARTS.items()}
    there = {name: role for name, role in names.items() if folder.has(name)}
    if not there:
        raise DatasetError(f"none of {', '.join(names)} in {place}")
    events = [
        (query, document, role)
        for name, role in there.items()
        for query, document in _judged(folder.read(name), queries, corpus, params.min_grade)
    ]
    table = np.array(events, np.int64).reshape(-1, 3)
    known = _frequent([*corpus.texts], params.words)
    return arrange(
        Log(
            user_ids=table[:, 0],
            item_ids=table[:, 1],
            n_users=len(queries.numbers),
            n_items=len(corpus.numbers),
            part=table[:, 2].astype(np.int8),
            user_fields=_fields(queries, known, place / "queries.npy"),
            item_fields=_fields(corpus, known, place / "corpus.npy"),
        )
    )


def read_texts(file: DataFile) -> Texts:
    """Read a line ``{"_id": ..., "title": ..., "text": ...}`` for each document or query."""
    numbers: dict[str, int] = {}
    texts: list[str] = []
    for number, line in enumerate(file.lines(), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise file.fault(number, f"no JSON ({error})", 'an object with "_id"') from None
        if not isinstance(entry, dict) or not isinstance(entry.get("_id"), str):
            raise file.fault(number, line[:60], 'an object whose "_id" is text')
        if numbers.setdefault(entry["_id"], len(numbers)) != len(texts):
            raise file.fault(number, f'"_id" {entry["_id"]!r} again', "each once")
        texts.append(f"{_text(entry, 'title')} {_text(entry, 'text')}")
    return Texts(numbers, texts)


def _text(entry: Mapping[str, Any], key: str) -> str:
    return str(entry.get(key) or "")


def _judged(file: DataFile, queries: Texts, corpus: Texts, min_grade: int) -> list[tuple[int, int]]:
    """Return the query and the document of each judgement of at least ``min_grade``."""
    below = file.below(HEADER)
    found = []
    for number, line in enumerate(below.lines(), 1):
        if not line.strip():
            continue
        words = line.split("\t")
        if len(words) != 3 or not re.fullmatch(r"-?[0-9]+", words[2].strip()):
            raise below.fault(number, repr(line[:60]), f"{HEADER}, the score a whole number")
        for what, name, known in (("query", words[0], queries), ("document", words[1], corpus)):
            if name not in known.numbers:
                raise below.fault(
                    number, f"{what} {name!r}", f"one of the {len(known.texts)} there"
                )
        if int(words[2]) >= min_grade:
            found.append((queries.numbers[words[0]], corpus.numbers[words[1]]))
    return found


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _frequent(texts: Sequence[str], wanted: int) -> dict[str, int]:
    """Return the ``wanted`` words that most texts have, numbered by that; ties by the word."""
    if not wanted:
        return {}
    counts = Counter(word for text in texts for word in set(_words(text)))
    best = sorted(counts, key=lambda word: (-counts[word], word))[:wanted]
    return {word: number for number, word in enumerate(best)}


def _fields(given: Texts, known: Mapping[str, int], vectors: Path) -> Fields | None:
    columns: dict[str, Column] = {}
    if known:
        lists = [sorted({known[one] for one in _words(x) if one in known}) for x in given.texts]
        columns["words"] = MultiValued(Lists.of(lists), len(known))
    if vectors.is_file():
        columns["vector"] = Dense(_vectors(vectors, len(given.texts)))
    return Fields(len(given.texts), columns) if columns else None


def _vectors(path: Path, n: int) -> Any:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"{path}: cannot be read as an array: {error}") from error
    if found.ndim != 2 or len(found) != n or found.dtype.kind not in "fiu":
        raise DatasetError(
            f"{path}: found {found.dtype} {found.shape}, expected numbers ({n}, dim), a row a line"
        )
    if not np.isfinite(found).all():
        raise DatasetError(f"{path}: holds a number that is not finite")
    return np.ascontiguousarray(found, np.float32)
