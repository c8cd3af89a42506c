"""Downloading over real HTTP from a server on the loopback: whole, resumed, refused."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from harness.errors import UsageError
from harness.traces.catalogue import TraceFile, datasets
from harness.traces.download import Unreachable, download
from harness.traces.places import download_path

CONTENT = bytes(range(256)) * 40


@dataclass
class Site:
    """What the server sends, and which ranges it was asked for."""

    url: str = ""
    content: bytes = CONTENT
    status: int = 200
    claims: int = len(CONTENT)
    understands_ranges: bool = True
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def site(tmp_path, monkeypatch) -> Iterator[Site]:
    monkeypatch.setenv("SPONGE_BENCH_CACHE", str(tmp_path / "cache"))
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            state.asked.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and state.understands_ranges else 0
            self.send_response(206 if start else state.status)
            self.send_header("Content-Length", str(state.claims - start))
            self.end_headers()
            self.wfile.write(state.content[start:])

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/trace"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def file_at(url: str) -> TraceFile:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    return TraceFile(datasets()["ghent-4g"], "net/made/up.json", len(CONTENT), sha256, "someone/somewhere", url)


def test_a_file_is_fetched_verified_and_kept(site):
    path = download(file_at(site.url))
    assert path == download_path(file_at(site.url))
    assert path.read_bytes() == CONTENT


def test_progress_is_told_up_to_the_whole(site):
    told: list[tuple[int, int]] = []
    download(file_at(site.url), lambda done, whole: told.append((done, whole)))
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_an_interrupted_download_goes_on_where_it_stopped(site):
    site.content = CONTENT[:5000]
    with pytest.raises(Unreachable, match=r"ended after 5000 of 10240 bytes|cannot be fetched"):
        download(file_at(site.url))
    site.content = CONTENT
    assert download(file_at(site.url)).read_bytes() == CONTENT
    assert site.asked == [None, "bytes=5000-"]


def test_a_server_that_ignores_ranges_is_read_from_the_start(site):
    partial = download_path(file_at(site.url)).with_name("up.json.partial")
    partial.parent.mkdir(parents=True)
    partial.write_bytes(b"x" * 100)
    site.understands_ranges = False
    assert download(file_at(site.url)).read_bytes() == CONTENT


def test_other_bytes_of_the_same_length_are_refused_and_thrown_away(site):
    site.content = b"y" * len(CONTENT)
    with pytest.raises(UsageError, match=r"sha256 = [0-9a-f]{64}; must be"):
        download(file_at(site.url))
    assert list(download_path(file_at(site.url)).parent.iterdir()) == []


def test_more_bytes_than_the_catalogue_says_are_refused(site):
    site.content, site.claims = CONTENT * 2, len(CONTENT) * 2
    with pytest.raises(UsageError, match="sends more than the 10240 bytes of the catalogue; refused"):
        download(file_at(site.url))


def test_a_refusal_of_the_server_names_address_and_reason(site):
    site.status = 404
    with pytest.raises(Unreachable, match=r"/trace: cannot be fetched \(Not Found\)"):
        download(file_at(site.url))


@pytest.mark.usefixtures("site")
def test_no_server_at_all_names_address_and_reason():
    nobody = file_at("http://127.0.0.1:9/trace")
    with pytest.raises(Unreachable, match=r"127.0.0.1:9/trace: cannot be fetched \("):
        download(nobody)


def test_a_file_without_an_address_says_where_it_is_part_of(site):
    with pytest.raises(Unreachable, match="no address to fetch it from; it is part of someone/somewhere"):
        download(file_at(""))
    assert site.asked == []
