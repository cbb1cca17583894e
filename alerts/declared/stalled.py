"""The app itself is stalled: due work is not claimed. The operator is mailed."""

from __future__ import annotations

from datetime import datetime

from alerts.declare import AppRule, rule
from alerts.evidence import NoEvidence
from alerts.settings import NoSettings
from alerts.task_history import stalled_since


@rule("stalled")
class Stalled(AppRule[NoEvidence, NoSettings]):
    """Due live work has not been claimed for too long."""

    def holds_since(self) -> datetime | None:
        return stalled_since()
