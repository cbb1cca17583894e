"""Alert settings of a shop, read from `settings["alerts"]`, as settings of the rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any

from alerts.rules import error_rate, silence
from alerts.rules.window import MIDNIGHT, DailyWindow
from mappings import rules_from
from models import Shop

MIN_PERIOD_MINUTES, MAX_PERIOD_MINUTES = 15, 43_200  # minutes
END_OF_DAY = "24:00"


@dataclass(frozen=True)
class AlertSettings:
    """The settings as they are stored. `silence_period`: minutes, None is off.

    `window`: two local times, None is always open. `smart`: the anomaly rule is on as well, by the shop's own baseline.
    """

    silence_period: int | None = None
    window: tuple[str, str] | None = None
    count_only_window_time: bool = True
    smart: bool = False
    error_rate_threshold: int | None = None
    guarded: bool = True

    @classmethod
    def of(cls, shop: Shop) -> AlertSettings:
        stored: dict[str, Any] = shop.settings.get("alerts", {})
        return rules_from(cls, stored)

    def silence(self, shop: Shop) -> silence.SilenceSettings:
        """Settings of the silence rule. Raises ValueError for an invalid period."""
        period = self.silence_period
        if period is not None and not MIN_PERIOD_MINUTES <= period <= MAX_PERIOD_MINUTES:
            raise ValueError(f"The order silence period is {period} minutes.")
        length = timedelta(minutes=period) if period else None
        return silence.SilenceSettings(length, self._window(shop), self.count_only_window_time)

    def errors(self) -> error_rate.ErrorRateSettings:
        """Settings of the error rate rule. Raises ValueError for an invalid threshold."""
        threshold = self.error_rate_threshold or 0
        if not 0 <= threshold <= 100:
            raise ValueError(f"The error rate threshold is {threshold} %.")
        return error_rate.ErrorRateSettings(threshold or None, self.guarded)

    def _window(self, shop: Shop) -> DailyWindow:
        if self.window is None:
            return DailyWindow.always(shop.zone)
        start, end = map(time_of_day, self.window)
        return DailyWindow(start, end, shop.zone)


def time_of_day(text: str) -> time:
    """A time of day, to the minute; 24:00 is the end of the day. Raises ValueError."""
    return MIDNIGHT if text == END_OF_DAY else time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)
