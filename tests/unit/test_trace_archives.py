"""Archives are read without unpacking, and unsafe or damaged ones are refused."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

import harness.traces.archive as archive_module
from harness.errors import UsageError
from harness.traces.detect import parser_of
from harness.traces.readers import read_all
from harness.traces.source import Source

TABLE = "Timestamp,DL_bitrate,State\n2019.12.16_13.40.04,20000,D\n"
UCC_FILE = "5G-production-dataset/Download/Driving/B_1.csv"


def zipped(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def tarred(path: Path, members: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    with tarfile.open(path, "w:bz2") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.type = len(content), kind
            info.linkname = "/etc/passwd" if kind != tarfile.REGTYPE else ""
            archive.addfile(info, io.BytesIO(content))
    return path


def test_the_tables_of_a_zip_are_traces_by_their_path(tmp_path):
    path = zipped(tmp_path / "d.zip", {UCC_FILE: TABLE, f"__MACOSX/{UCC_FILE}": "junk", "readme.txt": "hello"})
    assert list(read_all("ucc-5g", Source(path))) == ["download/driving/b_1"]


def test_a_multivariate_zip_gives_the_bandwidth_column_only(tmp_path):
    path = zipped(tmp_path / "m.zip", {"Bus B16.csv": "Bandwidth,RSSI\n5.5,-80\n7,-81\n"})
    trace = read_all("nyu-multivariate", Source(path))["bus-b16"]
    np.testing.assert_allclose(trace.bits_per_s, [5.5e6, 7e6])


def test_the_kind_of_a_zip_is_told_from_its_members(tmp_path):
    assert parser_of(zipped(tmp_path / "u.zip", {UCC_FILE: TABLE})) == "ucc-5g"
    assert parser_of(zipped(tmp_path / "n.zip", {"b.csv": "Bandwidth\n1\n"})) == "nyu-multivariate"


@pytest.mark.parametrize("name", ["../evil.csv", "/etc/evil.csv", "a/../../evil.csv", "c:\\evil.csv", "..\\evil.csv"])
def test_a_zip_member_that_leads_outside_is_refused(tmp_path, name):
    path = zipped(tmp_path / "evil.zip", {name: TABLE})
    with pytest.raises(UsageError, match="leads outside the archive; refused"):
        read_all("ucc-5g", Source(path))


def test_a_zip_member_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "MAX_DOCUMENT_BYTES", 10)
    with pytest.raises(UsageError, match=r"unpacks to \d+ bytes; refused"):
        read_all("ucc-5g", Source(zipped(tmp_path / "bomb.zip", {UCC_FILE: TABLE})))


def test_a_file_that_only_ends_like_a_zip_is_refused(tmp_path):
    path = tmp_path / "not.zip"
    path.write_text("<html>")
    with pytest.raises(UsageError, match="not a readable zip archive"):
        read_all("ucc-5g", Source(path))


def test_the_counts_in_a_tar_are_streamed(tmp_path):
    path = tarred(tmp_path / "workload.tbz2", {"workload.txt": b"1 2 3"})
    np.testing.assert_array_equal(read_all("counts-archive", Source(path))[""].counts, [1, 2, 3])


def test_counts_cut_by_a_block_edge_stay_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.traces.readers.counts.BLOCK_BYTES", 7)
    path = tarred(tmp_path / "workload.tbz2", {"workload.txt": b"100 200 30000 4 5\n60000 7"})
    np.testing.assert_array_equal(
        read_all("counts-archive", Source(path))[""].counts, [100, 200, 30000, 4, 5, 60000, 7]
    )


def test_a_tar_member_that_leads_outside_is_refused(tmp_path):
    path = tarred(tmp_path / "evil.tbz2", {"../workload.txt": b"1 2 3"})
    with pytest.raises(UsageError, match="leads outside the archive; refused"):
        read_all("counts-archive", Source(path))


def test_a_link_in_a_tar_is_refused(tmp_path):
    path = tarred(tmp_path / "link.tbz2", {"workload.txt": b""}, tarfile.SYMTYPE)
    with pytest.raises(UsageError, match="is a link or device; refused"):
        read_all("counts-archive", Source(path))


def test_a_truncated_tar_is_named(tmp_path):
    path = tarred(tmp_path / "workload.tbz2", {"workload.txt": b"1 2 3 " * 200_000})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UsageError, match=r"workload.tbz2: .*truncated download\?"):
        read_all("counts-archive", Source(path))


def test_a_tar_without_the_counts_is_named(tmp_path):
    path = tarred(tmp_path / "other.tbz2", {"notes.txt": b"1 2 3"})
    with pytest.raises(UsageError, match=r"has no member that ends with 'workload\.txt'"):
        read_all("counts-archive", Source(path))
