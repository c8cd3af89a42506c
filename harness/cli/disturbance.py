"""What disturbs a measurement: a profile of a busy machine, or badly fitted; another run on this machine."""

from __future__ import annotations

from collections.abc import Iterable

from harness.backends.leftovers import Leftover
from harness.backends.owner import Owner
from harness.profile import Profile

LEAST_R2 = 0.95  # on an idle machine the built-in models reach 0.98 and more


def doubts(profile: Profile) -> list[str]:
    """Every reason not to trust this profile, one line each; empty when there is none."""
    found = [disturbance(profile)] if profile.disturbed else []
    return found + ([bad_fit(profile)] if profile.quality.r2 < LEAST_R2 else [])


def bad_fit(profile: Profile) -> str:
    """What to say when the latency model does not follow the measurements."""
    return (
        f"note: the latency model explains little of what was measured (R2 {profile.quality.r2:.3f}, "
        f"below {LEAST_R2}): policies and the twin will misjudge service times. {again(profile)}"
    )


def again(profile: Profile) -> str:
    """How to replace it."""
    return f"Measure again when the machine is idle: sponge-bench profile --model {profile.name}"


def disturbance(profile: Profile) -> str:
    """What to say when something else kept the machine busy meanwhile."""
    return (
        f"note: while this was measured, {profile.other_cores:.1f} cores of this machine did other work; the profile "
        f"is too slow where it needs all cores. {again(profile)}"
    )


def company(found: Iterable[Leftover], mine: Owner) -> list[str]:
    """What to say of other runs under way, one line each. found: everything runs have created; mine: this process."""
    others = {one.run_id: one.owner for one in found if one.owner is not None and not one.is_left}
    return [
        f"note: run {run_id} is under way here, too (process {owner.pid}): each takes the other's CPU, and neither can "
        "be trusted"
        for run_id, owner in others.items()
        if (owner.host, owner.pid) != (mine.host, mine.pid)
    ]
