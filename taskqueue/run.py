"""A run: one attempt at a claimed task, by one worker. What only the run knows is here; the row is in `Run.task`."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from models import Shop, Task
from reasons import Cause


@dataclass(slots=True, eq=False)
class Run:
    """One attempt at a claimed task, identified by `attempt` and `started_at`: every write of the run names both.

    `newer_id`: a queued task that makes this one pointless. `note`: a note on its Success, recorded with the attempt.
    `sent`: it has made a call that may have changed something in the other system. `finished`: its task is finished.
    `outcome_name`: how it ended, for the log.
    """

    task: Task
    newer_id: UUID | None = None
    note: Cause | None = None
    sent: bool = False
    finished: bool = False
    outcome_name: str | None = None
    attempt: int = field(init=False)
    started_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.attempt, self.started_at = self.task.fence, self.task.started_at

    @property
    def shop(self) -> Shop:
        """The task's shop."""
        return self.task.shop

    @property
    def subject(self) -> int:
        """Shopify's id of the entity that the task is about. Raises ValueError when it has none."""
        return self.task.subject
