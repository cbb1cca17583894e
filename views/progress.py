"""Progress of an import: its parts, rate, remaining time and errors, as the page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import words
from models import State, utcnow
from models.bulk import BAD_KEPT, Import, Kind, Part, Stage, Step
from views import wording
from views.listing import TaskFilters
from words import t
from words.times import day

MAX_ERRORS = 1000  # counted for the page, which shows more of them as "1,000+"


@dataclass(frozen=True)
class PartProgress:
    """One part of an import as the page shows it."""

    row: Part

    @property
    def name(self) -> str:
        return t(f"imports.kind.{self._kind}")

    @property
    def named(self) -> str:
        """The name as it is used within a sentence."""
        return t(f"imports.kind_of.{self._kind}")

    @property
    def _kind(self) -> str:
        return Kind(self.row.kind).name.lower()

    @property
    def step(self) -> str:
        """The current step, with Shopify's message about the bulk query if there is one."""
        state = t(f"imports.step.{Step(self.row.state).name.lower()}")
        return t("imports.early", state=state, note=wording.said(self.row.note)) if self.row.note else state

    @property
    def read(self) -> str:
        """How many rows have been read, and of how many as soon as Shopify has counted them."""
        if self.row.expected is None:
            return words.number(self.row.found)
        return t("imports.of", found=words.number(self.row.found), expected=words.number(self.row.expected))

    @property
    def bad_title(self) -> str:
        return t("imports.bad_lines", count=self.row.bad, part=self.named)

    @property
    def more_bad(self) -> str | None:
        """A note when there are more bad lines than are stored."""
        return t("imports.bad_lines_more", count=BAD_KEPT) if self.row.bad > BAD_KEPT else None


@dataclass
class Progress:
    """One import as the page shows it."""

    importing: Import
    parts: list[PartProgress]
    left: int
    errors: int
    stopped: str | None

    @classmethod
    def of(cls, importing: Import) -> Progress:
        rows = importing.parts
        reasons = [row.stopped for row in rows] if importing.open else []
        stopped = next((reason for reason in reasons if reason is not None), None)
        return cls(
            importing, [PartProgress(row) for row in rows], importing.left(), importing.errors(MAX_ERRORS), stopped
        )

    @property
    def live(self) -> bool:
        """Whether it is running, so that the page has to poll."""
        return self.importing.state == Stage.RUNNING and self.stopped is None

    @property
    def state(self) -> str:
        return t(f"imports.stage.{Stage(self.importing.state).name.lower()}")

    @property
    def style(self) -> str:
        """The CSS class of its state."""
        if self.stopped is not None:
            return "error"
        return {Stage.DONE: "success", Stage.CANCELLED: "cancelled"}.get(Stage(self.importing.state), "pending")

    @property
    def title(self) -> str:
        """The first and the last day, as they were chosen in the form."""
        zone = wording.zone_of(self.importing.shop.timezone)
        last = self.importing.ends_at - timedelta(microseconds=1)
        first_day, last_day = (day(each.astimezone(zone)) for each in (self.importing.starts_at, last))
        return t("imports.orders_of", first=first_day, last=last_day)

    @property
    def actions(self) -> list[str]:
        """The buttons besides cancel, which asks for confirmation first."""
        if not self.importing.open:
            return []
        return ["resume" if self.importing.state == Stage.PAUSED or self.stopped is not None else "pause"]

    @property
    def why_stopped(self) -> str:
        return t("imports.stopped_note", reason=wording.said(self.stopped or ""))

    @property
    def errors_said(self) -> str:
        return f"{words.number(MAX_ERRORS)}+" if self.errors >= MAX_ERRORS else words.number(self.errors)

    @property
    def errors_url(self) -> str:
        return TaskFilters(states=(State.ERROR,), q=str(self.importing.id), read_as="import").url()

    @cached_property
    def part(self) -> PartProgress | None:
        """The part that is in progress."""
        return next((part for part in self.parts if part.row.state != Step.OVER and part.row.begun_at), None)

    @cached_property
    def per_second(self) -> float | None:
        """Finished tasks of this part per second, since it began."""
        if not self.live or not self.part or (finished := self.part.row.sent - self.left) <= 0:
            return None
        return finished / max((utcnow() - self.part.row.begun_at).total_seconds(), 1)

    @property
    def rate(self) -> str:
        return t("imports.per_second", rate=words.number(self.per_second or 0, 1))

    @property
    def remaining_ms(self) -> float | None:
        """Milliseconds until this part is finished at this rate; None before Shopify has counted its rows."""
        if not self.per_second or not self.part or self.part.row.expected is None:
            return None
        return (self.left + max(self.part.row.expected - self.part.row.found, 0)) / self.per_second * 1000
