"""What a finished run says, from its Parquet and manifests: numbers per run, rows per request, cores over time."""

from harness.outcome import used_core_s, violated
from harness.results.cores import CoreSeries, core_series, granted_core_s, resizes, series_of
from harness.results.folders import finished_manifest, run_folders
from harness.results.requests import per_request, violations
from harness.results.summary import Summary, summaries, summarise, summary_row

__all__ = [
    "CoreSeries",
    "Summary",
    "core_series",
    "finished_manifest",
    "granted_core_s",
    "per_request",
    "resizes",
    "run_folders",
    "series_of",
    "summaries",
    "summarise",
    "summary_row",
    "used_core_s",
    "violated",
    "violations",
]
