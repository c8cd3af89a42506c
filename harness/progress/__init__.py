"""How far a run is: read from the journals and tables in its folder, while it is written or afterwards."""

from harness.progress.run import RunState, read_run
from harness.progress.session import SessionState, read_session

__all__ = ["RunState", "SessionState", "read_run", "read_session"]
