"""Columns of Arrow tables as numpy arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def floats(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """A column as floats; null is NaN."""
    values: npt.NDArray[np.float64] = table.column(name).to_numpy(zero_copy_only=False).astype(np.float64)
    return values


def is_value(table: pa.Table, name: str, value: str) -> npt.NDArray[np.bool_]:
    """Where a column of strings has this value; null has not."""
    same: npt.NDArray[np.bool_] = pc.fill_null(pc.equal(table.column(name), value), False).to_numpy()
    return same
