"""Where the time of every request went, and so why a request was late.

`parts_of` splits the time of every request, `autopsy` adds what is known of the violations, `by_cause` groups them.
Everything comes from the Parquet files and the manifest of a folder.
"""

from harness.autopsy.causes import CAUSES, by_cause, episodes
from harness.autopsy.folder import Examined, examine
from harness.autopsy.parts import PARTS, parts_of
from harness.autopsy.pending import pending_growth, time_within
from harness.autopsy.rescue import Rescue, rescue_rows, smallest_rescue
from harness.autopsy.words import headline, worst_stretch

__all__ = [
    "CAUSES",
    "PARTS",
    "Examined",
    "Rescue",
    "by_cause",
    "episodes",
    "examine",
    "headline",
    "parts_of",
    "pending_growth",
    "rescue_rows",
    "smallest_rescue",
    "time_within",
    "worst_stretch",
]
