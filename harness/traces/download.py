"""Downloading one catalogued file: resumable, verified, whole or not at all."""

from __future__ import annotations

import http.client
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.errors import BenchError, UsageError
from harness.traces.catalogue import TraceFile
from harness.traces.places import download_path, verify

TIMEOUT_S = 20.0
CHUNK_BYTES = 1 << 18
Progress = Callable[[int, int], None]


class Unreachable(BenchError):
    """The bytes could not be had just now: no network, or the server refused."""


def download(file: TraceFile, progress: Progress | None = None) -> Path:
    """Fetch a file into the cache and return its path. `progress` gets (bytes so far, bytes in all).

    What an earlier try left behind is continued. Raises Unreachable when there is no way to the server, UsageError
    when the bytes that came are not the catalogue's (they are thrown away).
    """
    if not file.url:
        raise Unreachable(f"{file.file}: no address to fetch it from; it is part of {file.repository}")
    target = download_path(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + ".partial")
    try:
        _receive(file, partial, progress or (lambda _done, _all: None))
    except (http.client.HTTPException, OSError) as error:  # URLError and timeouts are OSErrors
        raise Unreachable(f"{file.url}: cannot be fetched ({getattr(error, 'reason', error)})") from error
    if (have := partial.stat().st_size) < file.bytes:
        raise Unreachable(f"{file.url}: ended after {have} of {file.bytes} bytes; fetch again to go on from there")
    try:
        verify(partial, file)
    except UsageError:
        partial.unlink()
        raise
    partial.replace(target)
    return target


def _receive(file: TraceFile, partial: Path, progress: Progress) -> None:
    have = partial.stat().st_size if partial.exists() else 0
    if have >= file.bytes:
        partial.unlink(missing_ok=True)
        have = 0
    headers = {"User-Agent": "sponge-bench", **({"Range": f"bytes={have}-"} if have else {})}
    request = urllib.request.Request(file.url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        resumed = bool(have) and answer.status == 206
        done = have if resumed else 0
        with partial.open("ab" if resumed else "wb") as out:
            _copy(answer, out, done, file, progress)


def _copy(answer: Any, out: Any, done: int, file: TraceFile, progress: Progress) -> None:
    while chunk := answer.read(CHUNK_BYTES):
        done += len(chunk)
        if done > file.bytes:
            raise UsageError(f"{file.url}: sends more than the {file.bytes} bytes of the catalogue; refused")
        out.write(chunk)
        progress(done, file.bytes)
