"""Settings of the alert rules, as a shop stores them in `settings["alerts"]`: kinds of fields, and how they are read.

Each rule declares a frozen dataclass of its own; the type of a field chooses its input on the settings page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time
from typing import Annotated, Any, TypeVar, get_type_hints

from alerts.rules.window import MIDNIGHT
from mappings import Dataclass

MIN_PERIOD_MINUTES, MAX_PERIOD_MINUTES = 15, 43_200  # minutes
END_OF_DAY = "24:00"

Period = Annotated[int | None, "period"]  # minutes; None is off
Percent = Annotated[int | None, "percent"]  # whole percent; None is off
Hours = Annotated[tuple[str, str] | None, "hours"]  # two local times of day; None is always
Switch = Annotated[bool, "switch"]

Settings = TypeVar("Settings", bound=Dataclass)


@dataclass(frozen=True)
class NoSettings:
    """Settings of a rule that has none."""


def input_kinds(settings: type[Any]) -> dict[str, str]:
    """The kind of input of each setting, by its name."""
    return {name: hint.__metadata__[0] for name, hint in get_type_hints(settings, include_extras=True).items()}


def time_of_day(text: str) -> time:
    """A time of day, to the minute; 24:00 is the end of the day. Raises ValueError."""
    return MIDNIGHT if text == END_OF_DAY else time.fromisoformat(text).replace(second=0, microsecond=0, tzinfo=None)
