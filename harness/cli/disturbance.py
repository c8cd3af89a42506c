"""What to say of a profile that was measured on a busy machine."""

from __future__ import annotations

from harness.profile import Profile


def disturbance(profile: Profile) -> str:
    """What to say when something else kept the machine busy meanwhile."""
    return (
        f"note: while this was measured, {profile.other_cores:.1f} cores of this machine did other work; the profile "
        "is too slow where it needs all cores. Measure again when the machine is idle"
    )
