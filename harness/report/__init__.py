"""One self-contained HTML page about one run, from its Parquet files and manifests alone."""

from harness.report.gather import Gathered, Member, gather
from harness.report.page import render

__all__ = ["Gathered", "Member", "gather", "render"]
