"""Fetching from a server on this machine: resume, checksum, refusals."""

import hashlib
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.data import catalog
from harness.data.entry import Counts, DatasetEntry, Download, Source
from harness.data.fetch import add, check, fetch
from harness.data.lightgcn import read_lightgcn
from harness.errors import DatasetError

CONTENT = bytes(range(256)) * 4000  # about 1 MB: several chunks
FILES = {"/big": CONTENT, "/train.txt": b"0 1\n1 2\n", "/test.txt": b"0 2\n1 0\n"}


class Handler(BaseHTTPRequestHandler):
    """Serves FILES; knows ranges unless the path starts with /plain; /cut breaks off half way."""

    seen: list = []  # noqa: RUF012  reset for each test

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.seen.append((self.path, wanted))
        body = FILES.get(self.path.removeprefix("/plain").removeprefix("/cut"))
        if body is None:
            self.send_error(404)
            return
        start = 0
        if wanted and not self.path.startswith("/plain"):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        end = len(body) // 2 if self.path.startswith("/cut") else len(body)
        self.wfile.write(body[start:end])

    def log_message(self, *_):
        """Stay silent."""


@pytest.fixture
def server():
    """Return the URL of a running server."""
    Handler.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def big(server, path="/big"):
    return Download(server + path, "big.bin", hashlib.sha256(CONTENT).hexdigest())


def test_a_file_is_fetched_and_progress_told(server, tmp_path):
    """The content arrives whole; progress rises to the size; nothing is left beside it."""
    news = []
    fetch(big(server), tmp_path / "set", lambda *one: news.append(one))
    assert (tmp_path / "set" / "big.bin").read_bytes() == CONTENT
    assert [one.name for one in (tmp_path / "set").iterdir()] == ["big.bin"]
    assert news[0] == ("download", 0, len(CONTENT), "big.bin")
    assert news[-1] == ("download", len(CONTENT), len(CONTENT), "big.bin")


def test_a_file_that_is_right_is_not_fetched_again(server, tmp_path):
    """The second time the server is not asked."""
    fetch(big(server), tmp_path)
    fetch(big(server), tmp_path)
    assert len(Handler.seen) == 1


def test_an_interrupted_download_goes_on_where_it_stopped(server, tmp_path):
    """After half, the error says so; the next call asks for the rest only."""
    with pytest.raises(DatasetError, match="could not be fetched"):
        fetch(big(server, "/cut/big"), tmp_path)
    assert (tmp_path / "big.bin.part").stat().st_size == len(CONTENT) // 2
    fetch(big(server), tmp_path)
    assert Handler.seen[-1] == ("/big", f"bytes={len(CONTENT) // 2}-")
    assert (tmp_path / "big.bin").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    """A part is overwritten when the whole file comes."""
    (tmp_path / "big.bin.part").write_bytes(CONTENT[:100])
    fetch(big(server, "/plain/big"), tmp_path)
    assert (tmp_path / "big.bin").read_bytes() == CONTENT


def test_a_part_that_is_too_long_is_fetched_anew(server, tmp_path):
    """The server refuses the range; the file is fetched from the start."""
    (tmp_path / "big.bin.part").write_bytes(CONTENT + b"more")
    fetch(big(server), tmp_path)
    assert (tmp_path / "big.bin").read_bytes() == CONTENT


def test_a_complete_part_is_only_renamed(server, tmp_path):
    """If only the rename was missing, the server is not asked."""
    (tmp_path / "big.bin.part").write_bytes(CONTENT)
    fetch(big(server), tmp_path)
    assert Handler.seen == []


def test_a_wrong_checksum_shows_both_and_leaves_nothing(server, tmp_path):
    """What came is removed, so that the next call starts anew."""
    wrong = replace(big(server), sha256="0" * 64)
    with pytest.raises(
        DatasetError, match=r"(?s)wrong SHA-256.*found    [0-9a-f]{64}.*expected 0{64}"
    ):
        fetch(wrong, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_and_a_silent_server_are_told(server, tmp_path):
    """The URL, the reason and where to put the file by hand are in the message."""
    with pytest.raises(DatasetError, match=r"/none could not be fetched .*404.*save it as .*big"):
        fetch(big(server, "/none"), tmp_path)
    with pytest.raises(DatasetError, match="could not be fetched"):
        fetch(big("http://127.0.0.1:9"), tmp_path)


def test_a_folder_that_cannot_be_made_is_told(server, tmp_path):
    """A file where the folder should be is an error with a message, no traceback."""
    (tmp_path / "set").write_text("")
    with pytest.raises(DatasetError, match="could not be fetched into"):
        fetch(big(server), tmp_path / "set")


def entry(server):
    downloads = tuple(
        Download(f"{server}/{name}", name, hashlib.sha256(FILES[f"/{name}"]).hexdigest())
        for name in ("train.txt", "test.txt")
    )
    source = Source(
        folder="tiny",
        files=(("train.txt", "test.txt"),),
        read=read_lightgcn,
        origin="a friend",
        licence="none",
        citation="none",
        counts=Counts(2, 3, 4, 2, 2),
        content_sha256=None,
        downloads=downloads,
    )
    return DatasetEntry("tiny", "two users", source=source)


def test_add_fetches_what_is_missing_and_returns_the_facts(server, tmp_path, monkeypatch):
    """After `add` the counts are those found; a second `add` asks no server."""
    monkeypatch.setattr(catalog, "DATASETS", {"tiny": entry(server)})
    facts = {fact.name: fact.found for fact in add("tiny", tmp_path)}
    assert [facts[name] for name in ("users", "items", "events", "train", "test")] == list("23422")
    assert len(facts["content_sha256"]) == 64
    assert add("tiny", tmp_path) == check("tiny", tmp_path)
    assert len(Handler.seen) == 2


def test_add_without_a_place_to_fetch_from_says_what_to_do(tmp_path, monkeypatch):
    """Where to get the files and where to put them is said."""
    tiny = entry("")
    alone = replace(tiny, source=replace(tiny.source, downloads=()))
    monkeypatch.setattr(catalog, "DATASETS", {"tiny": alone})
    with pytest.raises(DatasetError, match=r"get train\.txt and test\.txt from a friend, and put"):
        add("tiny", tmp_path)


def test_a_synthetic_data_set_needs_no_fetching(tmp_path):
    """Asking for it is answered, not ignored."""
    with pytest.raises(DatasetError, match="'checkerboard' is synthetic"):
        add("checkerboard", tmp_path)
    with pytest.raises(DatasetError, match="'checkerboard' is synthetic"):
        check("checkerboard", tmp_path)
