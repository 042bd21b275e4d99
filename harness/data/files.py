"""Files of a data set: plain, gzipped or in the owner's archive, all read to the same bytes."""

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.errors import DatasetError


@dataclass(frozen=True, slots=True)
class DataFile:
    """The content of one file.

    Attributes
    ----------
    label : where it was read, for messages.
    content : the uncompressed bytes.
    first_line : number of the first line of ``content`` in the file: 2 below a header.
    """

    label: str
    content: bytes
    first_line: int = 1

    def fault(self, line: int, found: str, expected: str) -> DatasetError:
        """Return the error for a line of ``content``, counted from 1."""
        where = f"{self.label}: line {line + self.first_line - 1}"
        return DatasetError(f"{where}: found {found}, expected {expected}")

    def below(self, header: str) -> "DataFile":
        """Return the file without its first line, which must be ``header``."""
        first, _, rest = self.content.partition(b"\n")
        if first.strip() != header.encode():
            raise self.fault(1, repr(first[:60].decode("utf-8", "replace")), header)
        return DataFile(self.label, rest, self.first_line + 1)

    def lines(self, encoding: str = "utf-8") -> list[str]:
        """Return the lines without their ends.

        Raises
        ------
        DatasetError
            The bytes are no text in ``encoding``.
        """
        try:
            return self.content.decode(encoding).splitlines()
        except UnicodeDecodeError as error:
            line = self.content.count(b"\n", 0, error.start) + 1
            found = f"byte {self.content[error.start]:#04x}"
            raise self.fault(line, found, f"{encoding} text") from None


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Where the files of one data set lie.

    Attributes
    ----------
    path : the folder; it need not exist.
    archives : names of the owner's zip archives, looked for in the folder and beside it.
    """

    path: Path
    archives: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        """Return whether a file is here in any form."""
        return next(self._found(name), None) is not None

    def read(self, name: str) -> DataFile:
        """Return a file: plain, else gzipped, else from an archive.

        Raises
        ------
        DatasetError
            Missing, empty, or damaged; it says which file was looked for where.
        """
        found = next(self._found(name), None)
        if found is None:
            inside = "".join(f", nor inside {archive}" for archive in self.archives)
            raise DatasetError(f"no {name} or {name}.gz in {self.path}{inside}")
        path, member = found
        label = f"{path}!{member}" if member else str(path)
        try:
            content = _content(path, member)
        except (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile) as error:
            raise DatasetError(f"{label}: damaged or cut short: {error}") from None
        except OSError as error:
            raise DatasetError(f"{label}: cannot be read: {error.strerror}") from None
        if not content.strip():
            raise DatasetError(f"{label}: the file is empty")
        return DataFile(label, content)

    def _found(self, name: str) -> Iterator[tuple[Path, str]]:
        """Yield where a file lies, as its path and, for an archive, the member's name."""
        for path in (self.path / name, self.path / f"{name}.gz"):
            if path.is_file():
                yield path, ""
        for archive in self.archives:
            for path in (self.path / archive, self.path.parent / archive):
                if path.is_file():
                    for member in _members(path, name):
                        if Path(member).name == name:
                            yield path, member


def _members(path: Path, wanted: str) -> list[str]:
    """Return the members of an archive; one that is damaged claims to hold what is wanted.

    So it is `read` that refuses it, and listing what is there does not stop at it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return [wanted]


def _content(path: Path, member: str) -> bytes:
    if member:
        with zipfile.ZipFile(path) as archive:
            return archive.read(member)
    if path.suffix == ".gz":
        with gzip.open(path) as stream:
            return stream.read()
    return path.read_bytes()
