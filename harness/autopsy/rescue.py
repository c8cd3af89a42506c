"""What alone would have saved the violations, from replays of the same run with one thing changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Rescue:
    """A replay with one thing changed. name: for a table; size: what changed, in words.

    violated: per request in order of id, whether it violated in this replay. is_chance: nothing was changed but the
    draw of service times, so what it "saves" is the noise that the others stand above or do not.
    """

    name: str
    size: str
    violated: Bools
    is_chance: bool = False


def rescue_rows(replayed: Bools, rescues: Sequence[Rescue]) -> pd.DataFrame:
    """One row per change: violations with it, how many of the violations of the unchanged replay it saves, their
    share, and how many requests violate only with it."""
    count = int(replayed.sum())
    rows = [
        {
            "change": rescue.name,
            "what": rescue.size,
            "violations": int(rescue.violated.sum()),
            "saved": int((replayed & ~rescue.violated).sum()),
            "share": float((replayed & ~rescue.violated).sum() / count) if count else float("nan"),
            "new": int((~replayed & rescue.violated).sum()),
            "is_chance": rescue.is_chance,
        }
        for rescue in rescues
    ]
    return pd.DataFrame(rows)


def smallest_rescue(replayed: Bools, rescues: Sequence[Rescue]) -> list[str]:
    """Per request the first of the changes (given smallest first) that alone saves it; empty text where none does or
    it did not violate."""
    names = np.full(len(replayed), "", dtype=object)
    for rescue in reversed([one for one in rescues if not one.is_chance]):
        names[replayed & ~rescue.violated] = rescue.name
    return [str(name) for name in names]
