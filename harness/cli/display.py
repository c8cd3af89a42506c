"""What a person sees while and after a run: a live line per session, and the table at the end."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.measure import Measurement
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.results import Summary, summary_row
from harness.run.session import Status
from harness.steps.pace import clock

WIDEST = 400  # columns
CAPTION = (
    "violation: dropped, failed or received after its deadline, of all planned requests\n"
    "latency: creation to answer, of served requests; core-s: core-seconds, granted over the plan's duration"
)
PLAIN_EVERY_S = 10.0  # without a terminal: a line this often, for logs


class Watcher:
    """Shows the running session. sessions: how many there will be; session_s: how long one takes, for the estimate; 0
    when nobody knows."""

    def __init__(self, console: Console, sessions: int, session_s: float) -> None:
        self._console = console
        self._sessions = sessions
        self._session_s = session_s
        self._began_s = time.monotonic()
        self._seen: list[tuple[str, int]] = []
        self._said_s = 0.0
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None

    def __enter__(self) -> Watcher:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, status: Status) -> None:
        """Show this status."""
        if (status.system, status.seed) not in self._seen:
            self._seen.append((status.system, status.seed))
            self._said_s = 0.0
        if self._live:
            self._live.update(self._render(status))
        elif time.monotonic() - self._said_s >= PLAIN_EVERY_S:
            self._said_s = time.monotonic()
            self._console.print(self._line(status), soft_wrap=True)

    def _line(self, status: Status) -> Text:
        place = f"[{len(self._seen)}/{self._sessions}] {status.system} seed {status.seed}"
        if status.progress is None:
            return Text(f"{place}: {status.phase}")
        p, a = status.progress, status.allocation
        counts = f"sent {p.sent}/{p.planned}, served {p.served}, violations {p.violations}"
        grant = f"{a.cores:g} cores, batch {a.batch_size}" if a else ""
        return Text(f"{place}: {status.t_s:5.1f}/{status.duration_s:g} s  {counts}  {grant}  {self._times(status)}")

    def _times(self, status: Status) -> str:
        elapsed_s = time.monotonic() - self._began_s
        if not self._session_s:
            return f"elapsed {clock(elapsed_s)}"
        in_session_s = max(self._session_s - status.t_s, 0.0)
        left_s = in_session_s + (self._sessions - len(self._seen)) * self._session_s
        return f"elapsed {clock(elapsed_s)}, about {clock(left_s)} left"

    def _render(self, status: Status) -> RenderableType:
        bar = ProgressBar(total=status.duration_s or 1.0, completed=max(0.0, status.t_s), width=40)
        return Group(self._line(status), bar)


def results_table(summaries: Sequence[Summary]) -> Table:
    """The table at the end of a run."""
    rows = [summary_row(summary) for summary in summaries]
    one_seed = len({row["seed"] for row in rows}) == 1
    heads = [head for head in rows[0] if not (one_seed and head == "seed")]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, justify="left" if head == "system" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(row[head] for head in heads))
    return table


def print_whole(console: Console, shown: RenderableType) -> None:
    """With every cell whole, wider than the console if need be: a line that wraps can be read, a number that is cut
    cannot, and a table that is piped is for grep."""
    wanted = Measurement.get(console, console.options.update(max_width=WIDEST), shown).maximum
    if wanted <= console.width:
        console.print(shown)
    else:
        Console(file=console.file, width=wanted).print(shown)
