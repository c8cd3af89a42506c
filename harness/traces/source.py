"""Reading trace files line by line: bounded memory, and faults that name file, line, value and rule."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from harness.errors import UsageError

MAX_LINE_BYTES = 1 << 20
MAX_DOCUMENT_BYTES = 64 << 20
MAX_SAMPLES = 20_000_000

Report = Callable[[str], None]
Open = Callable[[], BinaryIO]


def raise_fault(fault: str) -> None:
    """The default report: the first fault ends the reading as a UsageError."""
    raise UsageError(fault)


@dataclass(frozen=True, slots=True)
class Source:
    """A file and what to do with its faults: raise at the first (default), or collect them all (`traces check`).

    opener: how to get at the bytes when they are not simply the file's, as for a member of an archive; `path` is then
    the name that faults show.
    """

    path: Path
    report: Report = raise_fault
    opener: Open | None = None

    def open(self) -> BinaryIO:
        """The bytes, for reading. Raises UsageError when they cannot be had."""
        return self.opener() if self.opener else open_binary(self.path)

    def fault(self, line: int, message: str) -> None:
        """Report one fault; when this returns, the reader leaves the line out and goes on."""
        self.report(f"{self.path}:{line}: {message}")

    def lines(self) -> Iterator[tuple[int, str]]:
        """(line number from 1, text without its end) of every line that is not blank.

        Raises UsageError at once, whatever the report, for a file that is missing, empty, a web page, not UTF-8, or
        has a line above 1 MiB: nothing after such a fault can be read with sense.
        """
        with self.open() as file:
            number = 0
            while raw := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(raw) > MAX_LINE_BYTES:
                    raise UsageError(f"{self.path}:{number}: line is longer than {MAX_LINE_BYTES} bytes")
                text = decode(raw, f"{self.path}:{number}").rstrip("\r\n")
                if number == 1:
                    refuse_web_page(text, self.path)
                if text.strip():
                    yield number, text
        if number == 0:
            raise UsageError(f"{self.path}: is empty; expected a trace")

    def document(self) -> str:
        """The whole text of a format that cannot be read by lines (JSON). Raises UsageError above 64 MiB."""
        with self.open() as file:
            raw = file.read(MAX_DOCUMENT_BYTES + 1)
        if len(raw) > MAX_DOCUMENT_BYTES:
            raise UsageError(f"{self.path}: is larger than {MAX_DOCUMENT_BYTES} bytes; no trace of this format is")
        text = decode(raw, str(self.path))
        if not text.strip():
            raise UsageError(f"{self.path}: is empty; expected a trace")
        refuse_web_page(text, self.path)
        return text


def open_binary(path: Path) -> BinaryIO:
    """Open for reading, or a UsageError that names the path."""
    try:
        return path.open("rb")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from error


def decode(raw: bytes, place: str) -> str:
    """UTF-8 text (a byte order mark is passed over). Raises UsageError naming the first bad byte."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{place}: byte {raw[error.start]:#04x} at {error.start}; must be UTF-8 text") from error


def refuse_web_page(text: str, path: Path) -> None:
    """Raise UsageError when a download brought a web page (an error or login page) instead of the data."""
    if text.lstrip().lower().startswith(("<!doctype", "<html", "<?xml", "<head", "<body")):
        raise UsageError(f"{path}:1: is a web page (HTML), not a trace; the download went wrong")


class Column:
    """Numbers that come one by one, kept in eight bytes each; refuses more than any trace has (`MAX_SAMPLES`)."""

    def __init__(self, place: object) -> None:
        self._place = place
        self.values = array("d")

    def __len__(self) -> int:
        return len(self.values)

    def append(self, value: float) -> None:
        """Add one. Raises UsageError for one too many."""
        if len(self.values) >= MAX_SAMPLES:
            raise UsageError(f"{self._place}: more than {MAX_SAMPLES} samples; no trace has so many")
        self.values.append(value)


def number(text: str, what: str, minimum: float = -math.inf) -> float:
    """A finite number of at least `minimum`. Raises ValueError that names the value and the rule."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{what} = {text.strip()!r}; must be a number") from None
    if not math.isfinite(value) or value < minimum:
        rule = "a finite number" if minimum == -math.inf else f"a finite number >= {minimum:g}"
        raise ValueError(f"{what} = {text.strip()!r}; must be {rule}")
    return value


def sha256_of(path: Path) -> str:
    """sha256 of a file's bytes, streamed."""
    digest = hashlib.sha256()
    with open_binary(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
