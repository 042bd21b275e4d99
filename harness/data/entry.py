"""What the catalogue says of a data set: drawn, read and checked, or read wherever it lies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.data.files import DataFolder
from harness.data.log import TEST, TRAIN, Log, content_hash
from harness.errors import DatasetError
from harness.retriever import NoParams


@dataclass(frozen=True, slots=True)
class Counts:
    """What a data set must hold; train and test where its files give a split."""

    users: int
    items: int
    events: int
    train: int | None = None
    test: int | None = None

    @classmethod
    def of(cls, log: Log) -> "Counts":
        """Count a log."""
        if log.part is None:
            return cls(log.n_users, log.n_items, log.n_events)
        train, test = (int((log.part == one).sum()) for one in (TRAIN, TEST))
        return cls(log.n_users, log.n_items, log.n_events, train, test)


@dataclass(frozen=True, slots=True)
class Download:
    """One file to fetch: its URL, its name in the data set's folder, SHA-256 of what is fetched."""

    url: str
    file: str
    sha256: str

    @classmethod
    def github(
        cls, place: tuple[str, str], path: str, sha256: str, file: str | None = None
    ) -> "Download":
        """Return a file of a public repository, ``place`` being its name and the commit."""
        url = f"https://raw.githubusercontent.com/{place[0]}/{place[1]}/{path}"
        return cls(url, file or path.rpartition("/")[2], sha256)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a real data set comes from and what it must be.

    Attributes
    ----------
    folder : its folder below the data root.
    files : alternatives, each a tuple of files that suffice; the first complete one is read.
    read : folder -> log.
    origin, licence, citation : to be named where results are published.
    counts : what the log must count.
    content_sha256 : `content_hash` of the log; None where only the counts could be verified.
    archives : the owner's zip archives that hold the files, in the folder or beside it.
    downloads : what `matchbench data add` fetches; empty where there is no such place.
    """

    folder: str
    files: tuple[tuple[str, ...], ...]
    read: Callable[[DataFolder], Log]
    origin: str
    licence: str
    citation: str
    counts: Counts
    content_sha256: str | None
    archives: tuple[str, ...] = ()
    downloads: tuple[Download, ...] = ()

    def check(self, log: Log) -> None:
        """Hold a log against the counts and the hash.

        Raises
        ------
        DatasetError
            They differ; both are shown.
        """
        found = Counts.of(log)
        if found != self.counts:
            raise DatasetError(
                f"{self.folder}: the counts are not those of this data set\n"
                f"  found    {found}\n  expected {self.counts}"
            )
        digest = content_hash(log)
        if self.content_sha256 not in (None, digest):
            raise DatasetError(
                f"{self.folder}: the content is not that of this data set (SHA-256)\n"
                f"  found    {digest}\n  expected {self.content_sha256}"
            )


@dataclass(frozen=True, slots=True)
class DatasetEntry:
    """One data set of the catalogue; exactly one of ``draw``, ``source``, ``reader`` is there.

    Attributes
    ----------
    name, summary : for lists.
    Params : frozen dataclass of what a suite may choose.
    draw : of a synthetic one: parameters -> log. Its docstring says the known answer.
    source : of a real one.
    reader : of files that a parameter names: ``"module:function"``, which takes the parameters and
        the path on this machine, and returns the log.
    """

    name: str
    summary: str
    Params: type[Any] = NoParams
    draw: Callable[[Any], Log] | None = None
    source: Source | None = None
    reader: str | None = None

    @property
    def is_real(self) -> bool:
        """Return whether it is a known set of files with counts and a hash."""
        return self.source is not None

    @property
    def is_synthetic(self) -> bool:
        """Return whether it is drawn."""
        return self.draw is not None
