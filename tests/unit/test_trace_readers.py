"""Every reader on a small file made by hand, in the form of the published one."""

from pathlib import Path

import numpy as np
import pytest

from harness.traces.detect import parser_of
from harness.traces.model import ArrivalTrace, BandwidthTrace
from harness.traces.readers import READERS, read_all
from harness.traces.source import Source

MN_WILD = (
    "parent_file,_start,_end,bits_per_second,Throughput\na,0.0,1.0,8e8,800\na,1.0,2.0,1e9,1000\na,4.0,5.0,2e9,2000\n"
)
UCC = "Timestamp,Longitude,Latitude,DL_bitrate,UL_bitrate,State\n"
CONEXT = "time,throughput,speed,latitude,longtitu,area_type\n"

# parser, file name, text, key, step durations (s), bandwidths (Mbit/s)
BANDWIDTH = [
    ("ghent-log", "bus.log", "1450274031248 725 51.06 3.73 725000 725\n1450274032248 1725 51.06 3.73 0 1000\n",
     "", [0.725, 1.0], [8.0, 0.0]),
    ("ghent-json", "bus.json", '[\n{"duration_ms": 725, "bandwidth_kbps": 36014, "latency_ms": 20},\n'
     '{"duration_ms": 9000, "bandwidth_kbps": 0, "latency_ms": 20}\n]', "", [0.725, 9.0], [36.014, 0.0]),
    ("lumos5g", "5g_trace_1_driving", "1.0\t84.0\n2.0\t171.0\n", "", [1.0, 1.0], [84.0, 171.0]),
    ("lumos5g", "4g_trace_driving_1_dr", "0 40.0\n1 38\n1 42\n3 10\n", "", [1.0, 2.0, 1.0], [40.0, 40.0, 10.0]),
    ("nyu-mets", "bus.csv", "1.87,Mbits/sec\r\n650,Kbits/sec\r\n0,bits/sec\r\n", "", [1.0] * 3, [1.87, 0.65, 0.0]),
    ("5gophers", "car.csv", "protocol,num_tcp_conn,seq_num,Sprint_throughput_mbps,Verizon_throughput_mbps\n"
     "TCP,8,0,25.5,53\nTCP,8,1,65,0\n", "verizon", [1.0, 1.0], [53.0, 0.0]),
    ("5gophers", "walk.csv", "protocol,seq_num,anonymized_mCid,throughput_mbps\nTCP,1,3,92.1\nTCP,2,3,150\n",
     "", [1.0, 1.0], [92.1, 150.0]),
    ("5gophers", "data.csv", "protocol,carrier,num_tcp_conn,server_location,run_num,seq_num,throughput_mbps\n"
     "TCP,SPRINT,1,US-East,1,0,0.9\nTCP,SPRINT,8,US-East,2,0,1.9\n", "tcp/sprint/us-east/8-conns/run-2", [1.0], [1.9]),
    ("memu22", "away.list", "Run 1\n50.0,65,0\nRun 2\n1,2\n", "run-2", [0.1, 0.1], [1.0, 2.0]),
    ("memu22", "lateral.list", "\n#####\nRun 1\n0.1,0.2\n10,30\n0.083,0.183,0.12\n4,8,6\n",
     "run-1/lte", [0.1, 0.1], [4.0, 7.0]),
    ("memu22", "lateral.list", "\n#####\nRun 1\n0.1,0.2\n10,30\n0.083,0.183\n4,8\n", "run-1/nr",
     [0.1, 0.1], [10.0, 30.0]),
    ("mn-wild", "run1-iPerf.csv", MN_WILD, "", [1.0, 3.0, 1.0], [800.0, 1000.0, 2000.0]),
    ("conext23", "tm.csv", CONEXT + "2023-04-04 10:07:13 CDT,81.4,1,44,-93,rural\n"
     "2023-04-04 10:07:14 CDT,0.0,1,44,-93,rural\n"
     "2023-04-04 10:09:00 CDT,5,1,44,-93,rural\n", "session-1", [1.0, 1.0], [81.4, 0.0]),
    ("ucc-5g", "B_1.csv", UCC + "2019.12.16_13.40.04,-8,51,20000,5,D\n2019.12.16_13.40.05,-8,51,1,5,I\n"
     "2019.12.16_13.40.06,-8,51,40000,5,D\n", "", [1.0, 1.0], [20.0, 40.0]),
    ("mahimahi", "a.down", "0\n50\n100\n250\n", "", [0.1] * 3, [0.36, 0.0, 0.12]),
    ("csv", "own.csv", "time_s,bandwidth_kbps\n0,1000\n0.5,0\n2.0,500\n", "", [0.5, 1.5, 1.5], [1.0, 0.0, 0.5]),
    ("csv", "own.csv", "0,10\n1,20\n", "", [1.0, 1.0], [10.0, 20.0]),
]  # fmt: skip

# parser, file name, text, instants (s) or None, counts or None, bin (s)
ARRIVALS = [
    ("counts", "workload.txt", "52 55 48 0 57", None, [52, 55, 48, 0, 57], 1.0),
    ("counts", "create.txt", "[3, 0, 4, 0, 0]", None, [3, 0, 4, 0, 0], 1.0),
    ("azure-llm", "conv.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:15:46.6805900,374,44\r\n"
     "2023-11-16 18:15:50.9951690,396,109\r\n", [0.0, 4.3145790], None, 1.0),
    ("burstgpt", "b.csv", "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
     "5,ChatGPT,472,18,490,x\n45,GPT-4,10,0,10,x\n", [0.0, 40.0], None, 1.0),
    ("mooncake", "c.jsonl", '{"timestamp": 0, "input_length": 6758, "hash_ids": [0]}\n{"timestamp": 3000}\n',
     [0.0, 3.0], None, 1.0),
    ("azure-functions", "inv.csv", "HashOwner,HashApp,HashFunction,Trigger,1,2,3\na,b,c,q,5,0,1\na,b,d,t,1,1,1\n",
     None, [6, 1, 2], 60.0),
    ("azure-functions", "f.csv", "app,func,end_timestamp,duration\na,b,2.0,0.5\na,c,1.5,1.25\n",
     [0.0, 1.25], None, 1.0),
    ("alibaba-genai", "lora.csv", "gmt_create,predict_type\n2024-11-15 16:57:50,A\n2024-11-15 16:57:48,B\n",
     [0.0, 2.0], None, 1.0),
    ("alibaba-genai", "qps.csv", "timestamp_anon,value,container_ip,request_type\n60,1,a,G\n90,3,a,G\n"
     "61,0.5,b,G\n130,1,b,G\n",
     None, [150, 60], 60.0),
]  # fmt: skip


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(("parser", "name", "text", "key", "steps", "mbps"), BANDWIDTH)
def test_a_bandwidth_file_becomes_its_steps_in_si_units(tmp_path, parser, name, text, key, steps, mbps):
    trace = read_all(parser, Source(written(tmp_path, name, text)))[key]
    assert isinstance(trace, BandwidthTrace)
    np.testing.assert_allclose(trace.steps_s(), steps)
    np.testing.assert_allclose(trace.bits_per_s / 1e6, mbps)


@pytest.mark.parametrize(("parser", "name", "text", "instants", "counts", "bin_s"), ARRIVALS)
def test_an_arrivals_file_becomes_its_instants_or_counts(tmp_path, parser, name, text, instants, counts, bin_s):
    trace = read_all(parser, Source(written(tmp_path, name, text)))[""]
    assert isinstance(trace, ArrivalTrace)
    found = trace.times_s if counts is None else trace.counts
    np.testing.assert_allclose(found, instants if counts is None else counts, atol=1e-6)
    assert trace.bin_s == bin_s


@pytest.mark.parametrize(("parser", "name", "text"), [row[:3] for row in (*BANDWIDTH, *ARRIVALS)])
def test_the_format_of_a_file_is_told_from_its_beginning(tmp_path, parser, name, text):
    assert parser_of(written(tmp_path, name, text)) == parser


def test_every_reader_of_a_plain_file_has_an_example_here():
    archives = {"counts-archive", "nyu-multivariate"}
    assert {row[0] for row in (*BANDWIDTH, *ARRIVALS)} == set(READERS) - archives


def test_a_byte_order_mark_is_passed_over(tmp_path):
    path = written(tmp_path, "own.csv", "\ufefftime_s,mbps\n0,10\n")
    assert read_all("csv", Source(path))[""].end_s == 1.0


def test_what_a_reader_bridged_or_cut_is_in_the_provenance(tmp_path):
    held = read_all("mn-wild", Source(written(tmp_path, "r.csv", MN_WILD)))[""]
    assert held.provenance.transforms == ("hold 2 s of missing samples",)


def test_an_uplink_format_says_so(tmp_path):
    trace = read_all("memu22", Source(written(tmp_path, "a.list", "Run 1\n1,2\n")))["run-1"]
    assert isinstance(trace, BandwidthTrace)
    assert trace.direction == "up"


def test_a_delivery_files_ending_tells_its_direction(tmp_path):
    trace = read_all("mahimahi", Source(written(tmp_path, "a.up", "0\n100\n")))[""]
    assert isinstance(trace, BandwidthTrace)
    assert trace.direction == "up"


def test_positions_do_not_reach_the_trace(tmp_path):
    trace = read_all("ghent-log", Source(written(tmp_path, "b.log", "1450274031248 725 51.0638 3.7300 725000 725\n")))[
        ""
    ]
    assert "51.06" not in repr(trace)
