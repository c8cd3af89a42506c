"""Make files.json (one line per file of the catalogue) from a manifest of the public datasets.

    python traces/generate_files.py MANIFEST.json > traces/files.json

The manifest has dataset, file, bytes, sha256, repo, commit, path and url per file. This adds what a person asks for:
the trace's name, its parser, and the mobility and technology that its path tells.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

# Manifest dataset -> (catalogue dataset, parser)
DATASETS = {
    "ghent_4g_json": ("ghent-4g", "ghent-json"),
    "ghent_4g_log": ("ghent-4g-log", "ghent-log"),
    "sponge_slas": ("ghent-4g-log", ""),
    "norway_3g_json": ("norway-3g", "ghent-json"),
    "lumos5g": ("lumos5g", "lumos5g"),
    "lumos5g_raw": ("lumos5g", ""),
    "5gophers": ("5gophers", "5gophers"),
    "sigcomm21_mnwild": ("mn-wild", "mn-wild"),
    "ucc_5g": ("ucc-5g", "ucc-5g"),
    "nyu_mets": ("nyu-mets", "nyu-mets"),
    "saturator": ("saturator", "mahimahi"),
    "memu22_uplink": ("memu22", "memu22"),
    "conext23": ("conext23", "conext23"),
    "twitter_2021_08": ("twitter-2021-08", "counts-archive"),
    "nasa_1995": ("nasa-1995", "counts-archive"),
    "web-service-datasets": ("twitter-2021-08", ""),
    "twitter_2018_04_25": ("twitter-2018-04-25", "counts"),
    "azure_llm_2023": ("azure-llm-2023", "azure-llm"),
    "azure_fn_2021_excerpt": ("azure-functions-2021", "azure-functions"),
    "azure_fn_2019_excerpt": ("azure-functions-2019", "azure-functions"),
    "mooncake": ("mooncake", "mooncake"),
    "alibaba_gentd26": ("alibaba-genai-2026", "alibaba-genai"),
    "burstgpt": ("burstgpt", "burstgpt"),
    "dctd_pypi": ("datacenter-usage", ""),
}
DOCUMENTS = re.compile(r"(^|/)(readme|license|licences?/|copying)|\.md$|summary\.csv$", re.IGNORECASE)
# (path pattern, name below the dataset); the first that matches names the trace.
NAMES = [
    (r"ghent_4g/sabre_json/report_(\w+)\.json$", r"\1"),
    (r"ghent_4g/original_log/report_(\w+)\.log$", r"\1"),
    (r"norway_3g/sabre_json/report\.([\w-]+)\.json$", r"\1"),
    (r"lumos5g_sigcomm21/(\dG)/\dg_trace_(\d+)_(\w+)$", r"\1/\3/\2"),
    (r"lumos5g_sigcomm21/(\dG)/\dg_trace_(driving|walking)_(\d+)_(\w+)$", r"\1/\2/\3_\4"),
    (r"01-Throughput/data\.csv$", "static"),
    (r"02-Round-Trip-Times/data\.csv$", ""),
    (r"03-User-Mobility/car-driving-trace-(\d)\.csv$", r"car-\1"),
    (r"03-User-Mobility/walking-trace\.csv$", "walking"),
    (r"iperf-logs/([\w-]+)-iPerf\.csv$", r"\1"),
    (r"nyu_mets/Sample_Traces/(\w+)\.csv$", r"\1"),
    (r"nyu_mets/Multivariate_Dataset/dataset\.zip$", "multivariate"),
    (r"saturator_mahimahi/([\w-]+)\.(up|down)$", r"\1/\2"),
    (r"memu22_uplink/throughput/driving/(\w+)/throughput\.list$", r"uplink/driving/\1"),
    (r"memu22_uplink/throughput/(\w+)/(\w+)/(\w+)\.list$", r"uplink/\1/\2/\3"),
    (r"conext23_starlink_cellular/1-Downlink-Thrpt/(\w+)\.csv$", r"downlink/\1"),
    (r"3-Thrpt-Comp/(\w+)/(\w+)/(\w+)\.csv$", r"\1/\2/\3"),
    (r"twitter_2018_04_25_partial/workload_(\w+)\.txt$", r"\1"),
    (r"AzureLLMInferenceTrace_(\w+)\.csv$", r"\1"),
    (r"Azure2021_(\d+)\.csv$", r"\1"),
    (r"mooncake_fast25/(\w+)_trace\.jsonl$", r"\1"),
    (r"alibaba_gentd26/(\w+)\.tar\.gz$", r"\1"),
]
MOBILITY = [
    ("01-throughput", "static"), ("foot", "walking"), ("walking", "walking"), ("bicycle", "bicycle"), ("bus", "bus"),
    ("tram", "tram"),
    ("7train", "subway"), ("qtrain", "subway"), ("rail_road", "train"), ("train", "train"), ("/report_car", "driving"),
    ("driving", "driving"), ("static/", "static"),
]  # fmt: skip
TECHNOLOGY = [
    ("lumos5g_sigcomm21/4g", "4G"), ("lumos5g_sigcomm21/5g", "5G"), ("/lte/", "4G"), ("-lte-", "4G"),
    ("-umts-", "3G"), ("-evdo-", "3G"), ("/5g/", "5G"),
]  # fmt: skip


def name_of(file: str) -> str:
    """The trace's name below its dataset, in lower case; empty when the dataset's own name is the trace's."""
    for pattern, name in NAMES:
        if found := re.search(pattern, file):
            return found.expand(name).lower().replace("_thrpt", "")
    return ""


def first_of(table: list[tuple[str, str]], file: str) -> str:
    """The value of the first key that the path contains."""
    return next((value for key, value in table if key in file.lower()), "")


def entry_of(row: dict[str, Any]) -> dict[str, Any]:
    """One catalogue line from one manifest row."""
    dataset, parser = DATASETS[row["dataset"]]
    file = row["file"]
    if DOCUMENTS.search(file) or file.endswith("02-Round-Trip-Times/data.csv"):
        parser = ""
    if file.endswith("Multivariate_Dataset/dataset.zip"):
        parser = "nyu-multivariate"
    entry = {"dataset": dataset, "file": file, "bytes": row["bytes"], "sha256": row["sha256"]}
    entry |= {"url": row.get("url") or "", "repository": row["repo"], "commit": row.get("commit") or ""}
    if entry["url"].startswith("pip "):
        entry["url"] = ""
    entry["parser"] = parser
    if parser:
        below = PurePosixPath(dataset) / name_of(file)
        network = file.startswith("net/")
        entry |= {"name": str(below)}
        if network:
            entry |= {"technology": first_of(TECHNOLOGY, file), "mobility": first_of(MOBILITY, file)}
            if below.name in ("up", "down"):
                entry["direction"] = below.name
            if "/Uplink/" in file:
                entry["direction"] = "up"
    return {key: value for key, value in entry.items() if value != ""}


def main(manifest: Path) -> None:
    """Print files.json."""
    rows = json.loads(manifest.read_text(encoding="utf-8"))
    lines = [json.dumps(entry_of(row), separators=(", ", ": ")) for row in rows]
    print("[\n" + ",\n".join(lines) + "\n]")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
