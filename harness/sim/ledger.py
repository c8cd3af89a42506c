"""What became of the requests, as columns: one entry per batch, one per request in it, one per refusal."""

from __future__ import annotations

from harness.engine.core import Batch, Ticket


class Ledger:
    """Grows while the twin runs. Whoever reads it empties it with `clear`."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.served_ids: list[int] = []
        self.batch_ids: list[int] = []
        self.sizes: list[int] = []
        self.started_s: list[float] = []
        self.finished_s: list[float] = []
        self.cores: list[float] = []
        self.replicas: list[str] = []
        self.shed_ids: list[int] = []
        self.shed_s: list[float] = []
        self.reasons: list[str] = []

    def served(self, batch: Batch, finished_s: float) -> None:
        """A batch was answered."""
        for ticket in batch.tickets:
            self.served_ids.append(ticket.id)
        self.batch_ids.append(batch.id)
        self.sizes.append(len(batch.tickets))
        self.started_s.append(batch.started_s)
        self.finished_s.append(finished_s)
        self.cores.append(batch.cores)
        self.replicas.append(batch.place.name)

    def shed(self, ticket: Ticket, now_s: float, reason: str) -> None:
        """A request was refused."""
        self.shed_ids.append(ticket.id)
        self.shed_s.append(now_s)
        self.reasons.append(reason)
