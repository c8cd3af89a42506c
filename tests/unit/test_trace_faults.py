"""Bad input: one line that names file, line, value and rule."""

import io
from pathlib import Path

import pytest

import harness.traces.source as source_module
from harness.errors import UsageError
from harness.traces.detect import parser_of
from harness.traces.readers import read_all
from harness.traces.source import Source

LOG = "1450274031248 725 51.06 3.73 725000 725\n"
JSON = '{"duration_ms": 1000, "bandwidth_kbps": 5, "latency_ms": 20}'
LLM = "TIMESTAMP,ContextTokens,GeneratedTokens\n"

FAULTS = [
    ("ghent-log", b"", "f: is empty; expected a trace"),
    ("ghent-log", b"<!DOCTYPE html>\n<html>", "f:1: is a web page (HTML), not a trace; the download went wrong"),
    ("ghent-log", LOG.encode() + b"caf\xe9\n", "f:2: byte 0xe9 at 3; must be UTF-8 text"),
    ("ghent-log", LOG.encode() + b"1450 1725 1\n", "f:2: 3 fields; must be 6: epoch ms, ms, latitude, longitude"),
    ("ghent-log", LOG.encode() + b"14 700 51 3 7 1000\n", "f:2: time 700 ms <= previous 725 ms; must be increasing"),
    ("ghent-log", LOG.encode() + b"14 1725 51 3 -7 1000\n", "f:2: bytes = '-7'; must be a finite number >= 0"),
    ("ghent-log", LOG.encode() + b"14 1725 51 3 nan 1000\n", "f:2: bytes = 'nan'; must be a finite number >= 0"),
    ("ghent-log", LOG.encode() + b"14 1725 51 3 7 400\n", "f:2: interval ms = 400; must be the 1000 ms since"),
    ("ghent-log", LOG.encode() + b"14 1725 51 3 7 0\n", "f:2: interval ms = 0; must be > 0"),
    ("ghent-json", b'{"a": 1}', "f:1: starts with '{'; must be a JSON list"),
    ("ghent-json", f"[{JSON},\n{JSON[:20]}".encode(), "f:2: not JSON"),
    ("ghent-json", f"[{JSON},\n{JSON}\n".encode(), "f:2: the list is not closed; truncated download?"),
    ("ghent-json", f"[{JSON},\n{JSON.replace('5', '-5')}]".encode(), "f:2: bandwidth_kbps = '-5'; must be a finite"),
    ("ghent-json", f"[{JSON},\n{JSON.replace('5', 'true')}]".encode(), "f:2: bandwidth_kbps = True; must be a number"),
    ("ghent-json", b"[[1]]", "f:1: [1]; must be an object with 'duration_ms'"),
    ("ghent-json", b"[]", "f: no samples; a trace needs at least one"),
    ("lumos5g", b"0 40\n2 40\n1 40\n", "f:3: time 1 < previous 2; must be nondecreasing"),
    ("lumos5g", b"0 40\n1 -1\n", "f:2: Mbit/s = '-1'; must be a finite number >= 0"),
    ("nyu-mets", b"1,Mbits/sec\n2,MB/s\n", "f:2: unit = 'MB/s'; must be one of Gbits/sec, Mbits/sec"),
    ("nyu-mets", b"1,Mbits/sec\n2\n", "f:2: 1 field; must be 2: value, unit"),
    ("5gophers", b"a,b\n1,2\n", "f:1: column 'seq_num' is missing; has a, b"),
    ("5gophers", b"seq_num,throughput_mbps\n1,5\n1,6\n", "f:3: seq_num = 1 after 1; must be increasing"),
    ("5gophers", b"seq_num,throughput_mbps\n1,5\n2\n", "f:3: 1 fields; must be 2, as in the header"),
    ("memu22", b"1,2,3\n", "f:1: starts with '1,2,3'; must start with 'Run 1'"),
    ("memu22", b"Run 1\n1,x,3\n", "f:2: value 2 = 'x'; must be a number"),
    ("memu22", b"Run 1\n1\n2\n", "f: run-1 has 2 lines of values; must have 1 or 4"),
    ("mn-wild", b"_start,bits_per_second\n0,5\n0.5,inf\n", "f:3: bits_per_second = 'inf'; must be a finite number"),
    ("conext23", b"time,throughput\nyesterday,5\n", "f:2: time = 'yesterday'; must look like"),
    ("ucc-5g", b"Timestamp,DL_bitrate,State\n2019.12.16_13.40.04,-,D\n", "f:2: DL_bitrate = '-'; must be a number"),
    ("mahimahi", b"0\n100\n50\n", "f:3: time 50 ms < previous 100 ms; must be nondecreasing"),
    ("mahimahi", b"0\n1.5\n", "f:2: '1.5'; must be a whole number of milliseconds >= 0"),
    ("mahimahi", b"0\n1700000000000\n", "f: lasts 1700000000000 ms; no trace is so long"),
    ("counts", b"1 2 -3 4", "f:1: count 3 = '-3'; must be a whole number >= 0"),
    ("counts", b"1 2\n3 4.5", "f:2: count 4 = '4.5'; must be a whole number >= 0"),
    ("counts", b"   \n", "f: no counts; a trace needs at least one"),
    ("counts", b"<html>Not found</html>", "f:1: is a web page (HTML), not a trace"),
    ("azure-llm", LLM.encode() + b"2023-11-16 18:15:46,1,2\n2023-11-16 18:15:45,1,2\n", "f:3: time 17001585"),
    ("azure-llm", LLM.encode() + b"noon,1,2\n", "f:2: TIMESTAMP = 'noon'; must look like 2023-11-16 18:15:46.6805900"),
    ("mooncake", b'{"timestamp": 0}\n{"timestamp": "x"}\n', "f:2: must be an object with the number 'timestamp'"),
    ("mooncake", b'{"timestamp": 0}\n{"timesta', "f:2: not JSON"),
    ("burstgpt", b"Timestamp,Model,Request tokens\n-1,a,1\n", "f:2: Timestamp = '-1'; must be a finite number >= 0"),
    ("azure-functions", b"HashOwner,x\na,1\n", "f:1: no columns 1, 2, ... of minutes"),
    ("csv", b"0,10\n0,20\n", "f:2: time 0 <= previous 0; must be increasing"),
    ("csv", b"0,10\n1,20,30\n", "f:2: 3 fields; must be 2: time s, Mbit/s"),
    ("csv", b"time_s,bandwidth_furlongs\n0,10\n", "f:1: unit of 'bandwidth_furlongs' is unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("parser", "content", "message"), FAULTS)
def test_a_fault_names_file_line_value_and_rule(tmp_path, monkeypatch, parser, content, message):
    monkeypatch.chdir(tmp_path)
    Path("f").write_bytes(content)
    with pytest.raises(UsageError) as refused:
        read_all(parser, Source(Path("f")))
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_a_check_collects_every_fault_instead_of_the_first(tmp_path):
    path = tmp_path / "f"
    path.write_text("0 40\n1 -1\nx 5\n3 7\n")
    faults: list[str] = []
    trace = read_all("lumos5g", Source(path, faults.append))[""]
    assert [fault.split(":")[1] for fault in faults] == ["2", "3"]
    assert trace.end_s == 4.0


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"gone.csv: cannot be read \(No such file"):
        read_all("csv", Source(tmp_path / "gone.csv"))


def test_a_file_of_no_known_format_asks_for_one(tmp_path):
    path = tmp_path / "poem.txt"
    path.write_text("so much depends upon\n")
    with pytest.raises(UsageError, match="fits no known format; say which with --format"):
        parser_of(path)


class Endless(io.RawIOBase):
    """Lines without end; counts how much was taken."""

    taken = 0

    def readable(self) -> bool:
        return True

    def readline(self, _size: int | None = -1, /) -> bytes:
        self.taken += 1
        return b"%d 5\n" % self.taken


def test_a_file_with_more_samples_than_any_trace_is_refused_while_it_is_read(monkeypatch):
    monkeypatch.setattr(source_module, "MAX_SAMPLES", 1000)
    endless = Endless()
    with pytest.raises(UsageError, match="more than 1000 samples; no trace has so many"):
        read_all("lumos5g", Source(Path("endless"), opener=lambda: endless))
    assert endless.taken == 1001


def test_a_line_without_end_is_refused(tmp_path):
    path = tmp_path / "long"
    path.write_bytes(b"1" * (source_module.MAX_LINE_BYTES + 1))
    with pytest.raises(UsageError, match=r"long:1: line is longer than 1048576 bytes"):
        read_all("lumos5g", Source(path))


def test_a_document_too_large_to_be_a_trace_is_refused_before_it_is_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(source_module, "MAX_DOCUMENT_BYTES", 100)
    path = tmp_path / "big.json"
    path.write_text("[" + ",".join([JSON] * 10) + "]")
    with pytest.raises(UsageError, match="is larger than 100 bytes"):
        read_all("ghent-json", Source(path))
