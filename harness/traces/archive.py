"""Reading members of archives without unpacking them: nothing is written, and unsafe archives are refused."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from harness.errors import UsageError
from harness.traces.source import MAX_DOCUMENT_BYTES, Source

MAX_MEMBERS = 10_000


def csv_members(source: Source) -> Iterator[tuple[str, Source]]:
    """(key, source) of every CSV in a zip, by name. The key is the path in lower case without `.csv`.

    Raises UsageError for a file that is not a zip, has a member that leads outside of it (`..`, an absolute path), or
    one that would unpack to more than 64 MiB.
    """
    try:
        with zipfile.ZipFile(source.path) as archive:
            for info in sorted(_checked(source.path, archive), key=lambda one: one.filename):
                member = Path(f"{source.path}!{info.filename}")
                yield _key(info.filename), replace(source, path=member, opener=_opener(archive, info))
    except (zipfile.BadZipFile, OSError) as error:
        raise UsageError(f"{source.path}: not a readable zip archive ({error})") from error


def _checked(path: Path, archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise UsageError(f"{path}: {len(infos)} members; no trace archive has more than {MAX_MEMBERS}")
    for info in infos:
        refuse_outside(path, info.filename)
        if info.filename.lower().endswith(".csv") and "__MACOSX" not in info.filename:
            if info.file_size > MAX_DOCUMENT_BYTES:
                raise UsageError(f"{path}: member {info.filename!r} unpacks to {info.file_size} bytes; refused")
            yield info


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    return lambda: cast(BinaryIO, archive.open(info))


def _key(name: str) -> str:
    return str(PurePosixPath(name).with_suffix("")).lower().replace(" ", "-")


def refuse_outside(path: Path, name: str) -> None:
    """Raise UsageError when a member's name is absolute or climbs out of the archive."""
    inside = PurePosixPath(name.replace("\\", "/"))
    if inside.is_absolute() or ".." in inside.parts or ":" in name.split("/")[0]:
        raise UsageError(f"{path}: member {name!r} leads outside the archive; refused")


def only_member(path: Path, suffix: str) -> Callable[[], BinaryIO]:
    """How to open the one member of a tar (compressed or not) whose name ends so. Raises UsageError.

    The archive is streamed; members that are links or devices, or that lead outside, are refused.
    """
    return lambda: cast(BinaryIO, _member_stream(path, suffix))


def _member_stream(path: Path, suffix: str) -> _Member:
    try:
        archive = tarfile.open(path, "r|*")  # noqa: SIM115 - closed by _Member
        for info in archive:
            refuse_outside(path, info.name)
            if not info.isfile() and not info.isdir():
                raise UsageError(f"{path}: member {info.name!r} is a link or device; refused")
            if info.name.endswith(suffix) and not PurePosixPath(info.name).name.startswith("._"):
                return _Member(archive, info, path)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UsageError(f"{path}: not a readable tar archive ({error}); truncated download?") from error
    raise UsageError(f"{path}: has no member that ends with {suffix!r}")


class _Member:
    """An open member that closes its archive with itself, and turns damage met on the way into a UsageError."""

    def __init__(self, archive: tarfile.TarFile, info: tarfile.TarInfo, path: Path) -> None:
        self._archive = archive
        self._file = archive.extractfile(info)
        self._path = path

    def read(self, size: int = -1) -> bytes:
        return self._guarded(lambda: cast(BinaryIO, self._file).read(size))

    def readline(self, size: int = -1) -> bytes:
        return self._guarded(lambda: cast(BinaryIO, self._file).readline(size))

    def _guarded(self, read: Callable[[], bytes]) -> bytes:
        try:
            return read()
        except (tarfile.TarError, OSError, EOFError) as error:
            raise UsageError(f"{self._path}: damaged archive ({error}); truncated download?") from error

    def __enter__(self) -> _Member:
        return self

    def __exit__(self, *_: object) -> None:
        self._archive.close()
