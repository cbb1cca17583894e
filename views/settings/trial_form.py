"""Form of a test of an order notification: what was typed, and how the test ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from i18n.catalogue import t
from i18n.explanations import reason_text
from mappings.notification.body import ORDER_STATUS
from sync.notification_trial.send import Trial, TrialOutcome


@dataclass(frozen=True)
class TrialForm:
    """The typed kind and e-mail address; `trial` is there after a test."""

    kind: str = "confirmed"
    email: str = ""
    trial: Trial | None = None

    @property
    def accepted(self) -> bool:
        return self.trial is not None and self.trial.outcome is TrialOutcome.ACCEPTED

    @property
    def sentence(self) -> str:
        """How the test ended, and what to do."""
        return t(f"settings.trial.outcome.{self.trial.outcome}") if self.trial else ""

    @property
    def words(self) -> str:
        """The status words that were sent."""
        if not self.trial or not self.trial.order_status:
            return ""
        return t("settings.trial.words", order=self.trial.order_status, payment=self.trial.payment_status)

    @property
    def answer(self) -> str:
        """What Engage answered, or why nothing was sent."""
        if self.trial and self.trial.why:
            return reason_text(self.trial.why, revealed=True)
        return t("settings.trial.answer", status=str(self.trial.status)) if self.trial and self.trial.status else ""

    def kinds(self) -> Iterator[tuple[str, str]]:
        """Each kind of mail with its label."""
        for kind in ORDER_STATUS:
            yield kind, t(f"settings.label.notifications_order_status_{kind}")
