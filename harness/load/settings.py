"""What one replay needs to know, checked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from harness.errors import UsageError, bad_value
from harness.load.schedule import GRACE_S, Schedule

DISTINCT_IMAGES = 4
MAX_LEAD_S = 500e-6
LEAD_SHARE = 0.1  # of the mean gap: what waking early and spinning may cost
FALLBACK_MAX_LEAD_S = 1e-3


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """Where to send, what to send, how long to wait and on how many connections.

    lead_s: how long before a request is due the replayer wakes and spins, to hide the time waking takes.
    """

    host: str
    port: int
    model_name: str
    image_shape: tuple[int, int, int]
    timeout_s: float
    pool: int
    lead_s: float


def replay_settings(
    schedule: Schedule,
    url: str,
    model_name: str,
    image_shape: str,
    *,
    timeout_s: float | None = None,
    pool: int | None = None,
    has_timerfd: bool = True,
) -> ReplaySettings:
    """Check what was given and derive what was not. Raises UsageError naming option, value and rule.

    The pool must hold the plan's peak in flight: the most requests due within one `timeout_s`.
    """
    host, port = parse_url(url)
    if not model_name:
        raise bad_value("load driver", "--model-name", model_name, "must be given")
    if timeout_s is not None and not 0 < timeout_s < 86_400:
        raise bad_value("load driver", "--timeout-s", timeout_s, "must be > 0 and < 86400")
    wait_s = schedule.longest_slo_s + GRACE_S if timeout_s is None else timeout_s
    peak = schedule.peak_in_flight(wait_s)
    if pool is not None and pool <= peak:
        raise bad_value(
            "load driver", "--pool", pool,
            f"must be > {peak}, the requests the plan can have in flight within the {wait_s:g} s client timeout",
        )  # fmt: skip
    return ReplaySettings(
        host=host,
        port=port,
        model_name=model_name,
        image_shape=parse_shape(image_shape),
        timeout_s=wait_s,
        pool=peak + 1 if pool is None else pool,
        lead_s=spin_lead_s(schedule.rate_rps, MAX_LEAD_S if has_timerfd else FALLBACK_MAX_LEAD_S),
    )


def spin_lead_s(rate_rps: float, longest_s: float) -> float:
    """Time to wake before a request is due: enough to hide waking up, yet at most a tenth of one core in all."""
    return min(longest_s, LEAD_SHARE / rate_rps) if rate_rps > 0 else longest_s


def parse_url(url: str) -> tuple[str, int]:
    """Host and port of `http://host[:port]`. Raises UsageError."""
    parts = urlsplit(url)
    try:
        port = parts.port or 80
    except ValueError as error:
        raise bad_value("load driver", "--host", url, "the port must be 1..65535") from error
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/"):
        raise bad_value("load driver", "--host", url, "must look like http://127.0.0.1:8000")
    return parts.hostname, port


def parse_shape(text: str) -> tuple[int, int, int]:
    """`height,width,channels`, whole numbers > 0. Raises UsageError."""
    try:
        height, width, channels = (int(part) for part in text.split(","))
    except ValueError as error:
        raise bad_value("load driver", "--image-shape", text, "must be height,width,channels") from error
    if min(height, width, channels) < 1:
        raise bad_value("load driver", "--image-shape", text, "every number must be > 0")
    return height, width, channels


def check_new_file(path: Path) -> None:
    """Rows are never overwritten and need a folder. Raises UsageError."""
    if path.exists():
        raise UsageError(f"{path}: --rows must name a new file; this one exists")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: --rows must be in an existing folder; {path.parent} is not one")
