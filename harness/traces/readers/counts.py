"""Requests per second as whole numbers: a plain text of numbers, or that text inside a tar (`workload.tbz2`).

Sources: the Twitter and NASA counts of the web-service-datasets repository; lists in brackets with commas too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from harness.errors import UsageError
from harness.traces.archive import only_member
from harness.traces.model import ArrivalTrace, Ints
from harness.traces.readers.samples import counted
from harness.traces.source import MAX_SAMPLES, Source, decode, refuse_web_page

BLOCK_BYTES = 1 << 20
_BETWEEN = re.compile(r"[\s,;\[\]]+")


def read_counts_archive(source: Source) -> ArrivalTrace:
    """The numbers of `workload.txt` in the archive."""
    return read_counts(replace(source, opener=only_member(source.path, "workload.txt")))


def read_counts(source: Source) -> ArrivalTrace:
    """One count per second, separated by blanks, commas or lines, streamed: the text may be one long line."""
    blocks, done, line = [], 0, 1
    for text in _blocks(source):
        blocks.append(_numbers(source, text, done, line))
        done += len(blocks[-1])
        line += text.count("\n")
        if done > MAX_SAMPLES:
            raise UsageError(f"{source.path}: more than {MAX_SAMPLES} counts; no trace has so many")
    counts = np.concatenate(blocks) if blocks else np.empty(0, np.int64)
    if len(counts) == 0:
        raise UsageError(f"{source.path}: no counts; a trace needs at least one")
    return counted(source, counts, 1.0)


def _blocks(source: Source) -> Iterator[str]:
    """The text in pieces of about 1 MiB that end between two numbers."""
    with source.open() as file:
        rest, first = b"", True
        while raw := file.read(BLOCK_BYTES):
            raw = rest + raw
            cut = max(raw.rfind(b" "), raw.rfind(b"\n"), raw.rfind(b",")) + 1
            if cut == 0 and len(raw) > BLOCK_BYTES:
                raise UsageError(f"{source.path}: {BLOCK_BYTES} bytes without a blank; must be numbers with blanks")
            text, rest = decode(raw[:cut], str(source.path)), raw[cut:]
            if first:
                refuse_web_page(text or decode(rest, str(source.path)), source.path)
                first = False
            yield text
        yield decode(rest, str(source.path))


def _numbers(source: Source, text: str, done: int, line: int) -> Ints:
    words = [word for word in _BETWEEN.split(text) if word]
    try:
        counts = np.array(words, dtype=np.int64)
        if not len(counts) or int(counts.min()) >= 0:
            return counts
    except (ValueError, OverflowError):
        pass
    return _one_by_one(source, text, done, line)


def _one_by_one(source: Source, text: str, done: int, line: int) -> Ints:
    """The slow way through a block with a fault in it."""
    counts = []
    for words in text.split("\n"):
        for word in _BETWEEN.split(words):
            if word.isascii() and word.isdigit() and len(word) <= 18:
                counts.append(int(word))
            elif word:
                source.fault(line, f"count {done + len(counts) + 1} = {word[:40]!r}; must be a whole number >= 0")
        line += 1
    return np.array(counts, dtype=np.int64)
