"""Which reader fits a file: by its bytes (when the catalogue knows them), its ending, and its first line."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from harness.errors import UsageError, unknown_name
from harness.traces.catalogue import files
from harness.traces.readers import READERS
from harness.traces.source import Source, open_binary, sha256_of

_FIRST_LINES: tuple[tuple[str, str], ...] = (
    ("mooncake", r"\s*\{.*\"timestamp\""),
    ("counts", r"\s*\[?\s*\d+([ ,]+\d+){3,}"),
    ("ghent-json", r"\s*\["),
    ("memu22", r"\s*(#+\s*$|run\s+\d+\s*$)"),
    ("azure-llm", r"timestamp,contexttokens"),
    ("burstgpt", r"timestamp,.*request tokens"),
    ("5gophers", r".*throughput_mbps"),
    ("mn-wild", r".*_start.*bits_per_second"),
    ("ucc-5g", r"timestamp,.*dl_bitrate"),
    ("conext23", r"time,throughput,"),
    ("azure-functions", r"(hashowner,|app,func,end_timestamp)"),
    ("alibaba-genai", r"(gmt_create,|timestamp_anon,)"),
    ("nyu-mets", r"[\d.]+,\s*[kmg]?bits/sec"),
    ("ghent-log", r"\d{12,} \d+ \S+ \S+ \d+ \d+\s*$"),
    ("lumos5g", r"[\d.]+[ \t]+[\d.]+\s*$"),
    ("csv", r"[^,;]+[,;][^,;]+\s*$"),
)
_ENDINGS = {".up": "mahimahi", ".down": "mahimahi", ".mahi": "mahimahi", ".tbz2": "counts-archive",
            ".bz2": "counts-archive", ".gz": "alibaba-genai", ".jsonl": "mooncake"}  # fmt: skip


def parser_of(path: Path, asked: str = "") -> str:
    """The name of the reader for a file. Raises UsageError when none fits, or the one asked for does not exist."""
    if asked:
        if asked not in READERS:
            raise unknown_name("--format", "format", asked, READERS)
        return asked
    with open_binary(path):
        pass
    if known := _catalogued(path):
        return known
    if ending := _ENDINGS.get(path.suffix.lower()):
        return ending
    if path.suffix.lower() == ".zip":
        return _zip_parser(path)
    _, first = next(Source(path).lines(), (1, ""))
    for parser, pattern in _FIRST_LINES:
        if re.match(pattern, first, re.IGNORECASE):
            return parser
    raise UsageError(f"{path}:1: {first[:60]!r} fits no known format; say which with --format ({', '.join(READERS)})")


def _catalogued(path: Path) -> str:
    size = path.stat().st_size
    same = [file for file in files() if file.bytes == size and file.parser]
    if not same:
        return ""
    sha256 = sha256_of(path)
    return next((file.parser for file in same if file.sha256 == sha256), "")


def _zip_parser(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise UsageError(f"{path}: not a readable zip archive ({error}); truncated download?") from error
    return "ucc-5g" if any("5G-production-dataset" in name for name in names) else "nyu-multivariate"
