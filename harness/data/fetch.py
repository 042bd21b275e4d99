"""Fetching: `matchbench data add` and `check`; downloads resume, and are kept only if right."""

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO

from harness.data.catalog import (
    data_folder,
    find_dataset,
    how_to_get,
    is_present,
    open_source,
    source_of,
)
from harness.data.entry import Counts, Download
from harness.data.log import content_hash
from harness.errors import DatasetError
from harness.progress import Progress, silent

_CHUNK = 1 << 18  # bytes read at once
_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was found and what it had to be; "" where nothing was expected."""

    name: str
    found: str
    expected: str


def add(name: str, root: Path | None = None, progress: Progress = silent) -> list[Fact]:
    """Make a real data set complete: fetch what is missing, then return the facts of `check`.

    ``progress`` gets the bytes done and in total (0 where the server does not say) of each file.

    Raises
    ------
    DatasetError
        The data set is synthetic, cannot be fetched (it says where to get it and where to put
        it), a download fails, or what came is not right.
    """
    entry = find_dataset(name)
    source, folder = source_of(entry), data_folder(entry, root).path
    if not is_present(name, root):
        if not source.downloads:
            raise DatasetError(f"no one offers {name!r} for download: {how_to_get(entry, folder)}")
        for one in source.downloads:
            fetch(one, folder, progress)
    return check(name, root)


def check(name: str, root: Path | None = None) -> list[Fact]:
    """Read a real data set and return its counts and hash, each with what was expected.

    Raises
    ------
    DatasetError
        Files are missing or damaged, or the facts are not the expected ones.
    """
    entry = find_dataset(name)
    source = open_source(entry, root)
    log = source.read(data_folder(entry, root))
    source.check(log)
    found, expected = Counts.of(log), source.counts
    facts = [
        Fact(what, _shown(getattr(found, what)), _shown(getattr(expected, what)))
        for what in ("users", "items", "events", "train", "test")
    ]
    facts.append(Fact("content_sha256", content_hash(log), source.content_sha256 or ""))
    return [fact for fact in facts if fact.found]


def fetch(download: Download, folder: Path, progress: Progress = silent) -> None:
    """Fetch one file into ``folder`` unless it is there and right.

    An interrupted download is left as ``FILE.part`` and taken up from there.

    Raises
    ------
    DatasetError
        The server refuses or cannot be reached, the folder cannot be written, or the SHA-256 of
        what came is not the expected one; both are shown and the part is removed.
    """
    target = folder / download.file
    part = folder / f"{download.file}.part"
    try:
        if target.is_file() and _sha256(target) == download.sha256:
            return
        folder.mkdir(parents=True, exist_ok=True)
        if not (part.is_file() and _sha256(part) == download.sha256):
            _receive(download, part, progress)
        found = _sha256(part)
        if found != download.sha256:
            part.unlink()
            raise DatasetError(
                f"{download.url}: what came has the wrong SHA-256\n"
                f"  found    {found}\n  expected {download.sha256}"
            )
        part.replace(target)
    except (OSError, HTTPException) as error:
        raise DatasetError(
            f"{download.url} could not be fetched into {folder}: {error}; run it again to go on "
            f"from what came, or fetch it by hand and save it as {target}"
        ) from error


def _receive(download: Download, part: Path, progress: Progress) -> None:
    """Add to ``part`` what it lacks; a server without ranges sends all of it again."""
    start = part.stat().st_size if part.is_file() else 0
    try:
        response = _open(download.url, start)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        start, response = 0, _open(download.url, 0)  # the part is longer than the file
    with response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            start = 0
        left = int(response.headers.get("Content-Length") or 0)
        with part.open("ab" if start else "wb") as stream:
            _copy(
                response,
                stream,
                _Count(download.file, start, start + left if left else 0),
                progress,
            )


@dataclass(slots=True)
class _Count:
    """Bytes of one file so far, and in total, or 0 where that is not known."""

    file: str
    done: int
    total: int


def _copy(response: HTTPResponse, stream: BinaryIO, count: _Count, progress: Progress) -> None:
    progress("download", count.done, count.total, count.file)
    while chunk := response.read(_CHUNK):
        stream.write(chunk)
        count.done += len(chunk)
        progress("download", count.done, count.total, count.file)
    if count.done < count.total:
        raise ConnectionError(f"the connection ended after {count.done} of {count.total} bytes")


def _open(url: str, start: int) -> HTTPResponse:
    headers = {"User-Agent": "matchbench"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(url, headers=headers)
    response: HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    return response


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _shown(count: int | None) -> str:
    return "" if count is None else str(count)
