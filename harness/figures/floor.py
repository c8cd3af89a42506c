"""The oracle's floor of a run, where it was computed."""

from __future__ import annotations

from dataclasses import dataclass

from harness.stored.runs import StoredRun


@dataclass(frozen=True, slots=True)
class Floor:
    """Means over seeds. bound_cores: certified: no policy meets what can be met with fewer. schedule_*: an achievable
    clairvoyant schedule; None when it was not made."""

    bound_cores: float
    schedule_cores: float | None = None
    schedule_violation_percent: float | None = None

    def numbers(self) -> dict[str, float | None]:
        """As the sidecar has it."""
        return {
            "bound_cores": self.bound_cores,
            "schedule_cores": self.schedule_cores,
            "schedule_violation_percent": self.schedule_violation_percent,
        }

    def sentence(self) -> str:
        """For a caption."""
        return (
            f"Shaded: fewer cores than the oracle's certified bound ({self.bound_cores:.2f} on average), which no "
            f"policy can meet all meetable deadlines with."
        )


def read_floor(run: StoredRun) -> Floor | None:  # noqa: ARG001
    """The floor stored with a run, or None."""
    return None
