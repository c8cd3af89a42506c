"""The time of every request as parts of one timeline, which sum to the whole.

created -uplink-> due -client lag-> sent -inbound-> queued -queueing-> started -service-> finished -outbound-> received

The part of waiting and service during which a growth was asked for and not yet in force is taken out of both and
called actuation. A point that is missing (a request that was dropped never started) is put where the one before it is,
so the stretch up to the next known point belongs to what the request was doing then.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa

from harness.autopsy.pending import Floats, Spans, time_within

POINTS = ("created_s", "due_s", "sent_s", "queued_s", "started_s", "finished_s", "received_s")
STRETCHES = ("uplink_s", "client_lag_s", "inbound_s", "queueing_s", "service_s", "outbound_s")
PARTS = ("client_lag_s", "uplink_s", "inbound_s", "queueing_s", "actuation_s", "service_s", "outbound_s")


def parts_of(requests: pa.Table, spans: Spans) -> pd.DataFrame:
    """The parts of every request, s, one row per row of `requests`, and `whole_s`, their sum.

    whole_s = received_s - created_s; NaN for a request that was never answered. For a dropped request the time from
    queue to refusal, the refusal's way back included, is queueing: nothing tells the two apart. Parts of a real run can
    be negative by the resolution of clocks; they are left as they are, so that the sum stays the whole.
    """
    points = timeline(requests)
    stretches = {
        name: points[until] - points[since]
        for name, (since, until) in zip(STRETCHES, pairwise(POINTS), strict=True)
    }  # fmt: skip
    waits_until_s = points["started_s"].copy()
    unserved = np.asarray(requests["started_s"].is_null())
    # What never started waited to the end; its last stretch is waiting, not a way back.
    stretches["queueing_s"][unserved] = (points["received_s"] - points["queued_s"])[unserved]
    stretches["outbound_s"][unserved] = 0.0
    waits_until_s[unserved] = points["received_s"][unserved]
    stalled_waiting_s = time_within(spans, points["queued_s"], waits_until_s)
    stalled_serving_s = time_within(spans, points["started_s"], points["finished_s"])
    stretches["queueing_s"] -= stalled_waiting_s
    stretches["service_s"] -= stalled_serving_s
    stretches["actuation_s"] = stalled_waiting_s + stalled_serving_s
    parts = pd.DataFrame({name: stretches[name] for name in PARTS})
    parts["whole_s"] = points["received_s"] - points["created_s"]
    return parts


def timeline(requests: pa.Table) -> dict[str, Floats]:
    """The points of every request in order; a missing one is where the point before it is.

    The last one, received_s, stays NaN where it is missing: such a request has no end.
    """
    points: dict[str, Floats] = {}
    before = None
    for name in POINTS:
        at_s = requests[name].to_numpy(zero_copy_only=False).astype(float)
        if before is not None and name != "received_s":
            at_s = np.where(np.isnan(at_s), before, at_s)
        points[name] = before = at_s
    return points
