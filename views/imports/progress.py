"""Progress of an import: its parts, rate, remaining time and errors, as the page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from i18n import numbers
from i18n.catalogue import t
from i18n.explanations import reason_text
from i18n.formats import format_date, format_datetime
from models import BulkImport, ImportBadLine, ImportKind, ImportPart, ImportState, ImportStep, State, utcnow
from reasons import Cause
from sync.imports.parts import MAX_BAD_LINES, bad_lines, failure_cause, parts_of
from sync.imports.reach import began_with_all_orders
from sync.imports.tasks import count_failed_tasks, count_pending_tasks
from views.tasks.filters import TaskFilters
from views.web import formatting

MAX_ERRORS = 1000  # counted for the page, which shows more of them as "1,000+"


@dataclass(frozen=True)
class ImportPartProgress:
    """One part of an import as the page shows it."""

    row: ImportPart

    @property
    def name(self) -> str:
        return t(f"imports.kind.{self._kind}")

    @property
    def name_in_sentence(self) -> str:
        """The name as it is used within a sentence."""
        return t(f"imports.kind_of.{self._kind}")

    @property
    def _kind(self) -> str:
        return ImportKind(self.row.kind).name.lower()

    @property
    def step(self) -> str:
        """The current step, with Shopify's message about the bulk query if there is one."""
        state = t(f"imports.step.{ImportStep(self.row.state).name.lower()}")
        return t("imports.early", state=state, note=reason_text(self.row.note_cause)) if self.row.note_cause else state

    @property
    def rows_read(self) -> str:
        """How many rows have been read, and of how many as soon as Shopify has counted them."""
        if self.row.expected is None:
            return numbers.format_number(self.row.found)
        return t(
            "imports.of", found=numbers.format_number(self.row.found), expected=numbers.format_number(self.row.expected)
        )

    @property
    def bad_lines(self) -> list[ImportBadLine]:
        """The lines of the result that could not be read, as far as they are stored."""
        return bad_lines(self.row)

    @property
    def bad_title(self) -> str:
        return t("imports.bad_lines", count=self.row.bad, part=self.name_in_sentence)

    @property
    def more_bad_note(self) -> str | None:
        """A note when there are more bad lines than are stored."""
        return t("imports.bad_lines_more", count=MAX_BAD_LINES) if self.row.bad > MAX_BAD_LINES else None


@dataclass
class ImportProgress:
    """One import as the page shows it."""

    bulk_import: BulkImport
    parts: list[ImportPartProgress]
    left: int
    errors: int
    stopped: Cause | None

    @classmethod
    def of(cls, bulk_import: BulkImport) -> ImportProgress:
        rows = parts_of(bulk_import)
        causes = [failure_cause(row) for row in rows] if bulk_import.open else []
        stopped = next((cause for cause in causes if cause is not None), None)
        return cls(
            bulk_import,
            [ImportPartProgress(row) for row in rows],
            count_pending_tasks(bulk_import),
            count_failed_tasks(bulk_import, MAX_ERRORS),
            stopped,
        )

    @property
    def is_running(self) -> bool:
        """Whether it is running, so that the page has to poll."""
        return self.bulk_import.state == ImportState.RUNNING and self.stopped is None

    @property
    def state_label(self) -> str:
        return t(f"imports.stage.{ImportState(self.bulk_import.state).name.lower()}")

    @property
    def style(self) -> str:
        """The CSS class of its state."""
        if self.stopped is not None:
            return "error"
        return {ImportState.DONE: "success", ImportState.CANCELLED: "cancelled"}.get(
            ImportState(self.bulk_import.state), "pending"
        )

    @property
    def title(self) -> str:
        """The first and the last day, as they were chosen in the form."""
        zone = formatting.time_zone(self.bulk_import.shop.timezone)
        last = self.bulk_import.ends_at - timedelta(microseconds=1)
        first = min(max(self.bulk_import.starts_at, self.bulk_import.orders_since or self.bulk_import.starts_at), last)
        first_day, last_day = (format_date(each.astimezone(zone)) for each in (first, last))
        return t("imports.orders_of", first=first_day, last=last_day)

    @property
    def reach_note(self) -> str | None:
        """How far back the orders reached, and why not further; None: over the whole period."""
        since = self.bulk_import.orders_since
        if since is None:
            return None
        zone = formatting.time_zone(self.bulk_import.shop.timezone)
        cause = "revoked" if began_with_all_orders(self.bulk_import) else "short"
        return t(f"imports.reach.{cause}", since=format_datetime(since.astimezone(zone)))

    @property
    def actions(self) -> list[str]:
        """The buttons besides cancel, which asks for confirmation first."""
        if not self.bulk_import.open:
            return []
        return ["resume" if self.bulk_import.state == ImportState.PAUSED or self.stopped is not None else "pause"]

    @property
    def stopped_note(self) -> str:
        return t("imports.stopped_note", reason=reason_text(self.stopped) if self.stopped else "")

    @property
    def errors_text(self) -> str:
        return (
            f"{numbers.format_number(MAX_ERRORS)}+" if self.errors >= MAX_ERRORS else numbers.format_number(self.errors)
        )

    @property
    def errors_url(self) -> str:
        return TaskFilters(states=(State.ERROR,), q=str(self.bulk_import.id), search_kind="import").url()

    @cached_property
    def part(self) -> ImportPartProgress | None:
        """The part that is in progress."""
        return next((part for part in self.parts if part.row.state != ImportStep.OVER and part.row.begun_at), None)

    @cached_property
    def per_second(self) -> float | None:
        """Finished tasks of this part per second, since it began."""
        if not self.is_running or not self.part or (finished := self.part.row.sent - self.left) <= 0:
            return None
        return finished / max((utcnow() - self.part.row.begun_at).total_seconds(), 1)

    @property
    def rate(self) -> str:
        return t("imports.per_second", rate=numbers.format_number(self.per_second or 0, 1))

    @property
    def remaining_ms(self) -> float | None:
        """Milliseconds until this part is finished at this rate; None before Shopify has counted its rows."""
        if not self.per_second or not self.part or self.part.row.expected is None:
            return None
        return (self.left + max(self.part.row.expected - self.part.row.found, 0)) / self.per_second * 1000
