"""What saves a violation is found by the id of the request, not by its place among the rows."""

import numpy as np
import pandas as pd

from harness.autopsy import Rescue
from harness.cli.replays import Rescues
from harness.cli.why import saviours

REPLAYED = np.array([True, True, True])
LEFT = np.array([True, True, False])


def test_a_request_after_one_without_a_row_gets_its_own_saviour():
    rescues = Rescues(REPLAYED, (Rescue("+1 core", "", LEFT),), "", ids=[3, 4, 9])
    assert saviours(pd.Series([4, 9], index=[0, 1]), rescues) == ["", "+1 core"]


def test_without_replays_nothing_is_said_to_save():
    assert saviours(pd.Series([1]), Rescues(None, (), "")) == [""]
