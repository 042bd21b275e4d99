"""Data sets that a suite names by path: files in a format of other programs, wherever they lie.

``dataset_params = { path = "..." }``; a relative path is looked for below the data root, so that
records do not depend on where that is. Readers are loaded on first use: two need the extra
`exchange`.
"""

from dataclasses import dataclass
from typing import Literal

from harness.data.entry import DatasetEntry


@dataclass(frozen=True, slots=True)
class FolderParams:
    """Where the files lie: ``path`` of a folder, below the data root unless it is absolute."""

    path: str = ""

    def __post_init__(self) -> None:
        _check_path(self.path)


@dataclass(frozen=True, slots=True)
class RecBoleParams:
    """Which files, and which of their columns.

    Attributes
    ----------
    path : the folder.
    name : the files are called ``<name>.inter`` and so on; empty: as the folder.
    user, item : columns of ids.
    rating, time : columns of .inter that are kept where they are there.
    """

    path: str = ""
    name: str = ""
    user: str = "user_id"
    item: str = "item_id"
    rating: str = "rating"
    time: str = "timestamp"

    def __post_init__(self) -> None:
        _check_path(self.path)


@dataclass(frozen=True, slots=True)
class BeirParams:
    """What of a BEIR folder is taken.

    Attributes
    ----------
    path : the folder with corpus.jsonl, queries.jsonl and qrels/.
    min_grade : judgements below it are left out.
    words : the field ``words`` of queries and documents holds which of the corpus' so many most
        frequent words they have; 0: there is no such field.
    """

    path: str = ""
    min_grade: int = 1
    words: int = 0

    def __post_init__(self) -> None:
        _check_path(self.path)
        if self.words < 0:
            raise ValueError(f"words = {self.words} must not be negative")


@dataclass(frozen=True, slots=True)
class AnnBenchmarksParams:
    """What of a data file of ann-benchmarks is taken.

    Attributes
    ----------
    path : the HDF5 file.
    relevant : so many nearest neighbours are the right answers of a query.
    vectors : ``inner_product`` changes vectors so that the greatest inner product is the nearest;
        ``as_given`` leaves them, for methods that compute the file's own distance.
    """

    path: str = ""
    relevant: int = 10
    vectors: Literal["inner_product", "as_given"] = "inner_product"

    def __post_init__(self) -> None:
        _check_path(self.path)
        if self.relevant < 1:
            raise ValueError(f"relevant = {self.relevant} must be at least 1")


@dataclass(frozen=True, slots=True)
class DeezerParams:
    """Which of the vectors that Deezer published.

    Attributes
    ----------
    path : the folder.
    embeddings : ``svd`` (the paper's TT-SVD) or ``mf`` (UT-ALS): of songs, and within the features.
    """

    path: str = ""
    embeddings: Literal["svd", "mf"] = "svd"

    def __post_init__(self) -> None:
        _check_path(self.path)


def _check_path(path: str) -> None:
    if not path:
        raise ValueError(
            "path = '' names nothing; expected a path below the data root, or an absolute one"
        )


BY_PATH = (
    DatasetEntry(
        "lightgcn",
        "train.txt and test.txt of LightGCN, in the folder that `path` names",
        FolderParams,
        reader="harness.data.lightgcn:read_path",
    ),
    DatasetEntry(
        "recbole",
        "RecBole's atomic files (.inter, .user, .item), in the folder that `path` names",
        RecBoleParams,
        reader="harness.data.recbole:read_recbole",
    ),
    DatasetEntry(
        "beir",
        "a BEIR folder (corpus.jsonl, queries.jsonl, qrels/), that `path` names",
        BeirParams,
        reader="harness.data.beir:read_beir",
    ),
    DatasetEntry(
        "ann_benchmarks",
        "the HDF5 data file of ann-benchmarks that `path` names; needs the extra `exchange`",
        AnnBenchmarksParams,
        reader="harness.data.ann_benchmarks:read_ann_benchmarks",
    ),
    DatasetEntry(
        "deezer",
        "Deezer's cold-start users, in the folder that `path` names; needs the extra `exchange`",
        DeezerParams,
        reader="harness.data.deezer:read_deezer",
    ),
)
