"""Fields of the settings form: read and validate a typed value, and show a saved one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from alerts.settings import END_OF_DAY, MAX_PERIOD_MINUTES, MIN_PERIOD_MINUTES
from i18n.catalogue import t
from views.settings.choices import Path

FormValues = Mapping[str, str]
UNITS = {"minutes": 1, "hours": 60, "days": 1440}
ON = "yes"
TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)|24:00")
MAX_TEXT = 100


class InvalidValue(Exception):
    """An invalid value. `str()` is the error message beside the field."""


@dataclass(frozen=True)
class Field:
    """A setting in a form. `path`: its place in the shop's settings; `default`: its value until the shop has chosen."""

    path: Path
    default: Any = None

    widget = "text"
    group = ""  # fields of one group stand together, under its heading
    may_be_absent = False  # a form without it leaves the setting as it is

    @property
    def name(self) -> str:
        return "_".join(self.path)

    @property
    def label(self) -> str:
        return t(f"settings.label.{self.name}")

    @property
    def help(self) -> str:
        return t(f"settings.help.{self.name}")

    def read(self, form: FormValues) -> Any:
        """The value to save. Raises InvalidValue."""
        raise NotImplementedError

    def form_values(self, value: Any) -> dict[str, str]:
        """The form values of a saved value."""
        return {self.name: "" if value is None else str(value)}


@dataclass(frozen=True)
class SwitchField(Field):
    widget = "switch"

    def read(self, form: FormValues) -> bool:
        return form.get(self.name) == ON

    def form_values(self, value: Any) -> dict[str, str]:
        return {self.name: ON if value else ""}


@dataclass(frozen=True)
class ChoiceField(Field):
    """One of several options."""

    options: tuple[str, ...] = ()

    widget = "choice"

    def read(self, form: FormValues) -> str:
        given = form.get(self.name, "")
        if given not in self.options:
            raise InvalidValue(t("settings.bad.choice"))
        return given

    def labelled_options(self) -> Iterator[tuple[str, str]]:
        """Each option with its label."""
        for option in self.options:
            yield option, t(f"settings.option.{self.name}_{option}")


@dataclass(frozen=True)
class AddedChoiceField(ChoiceField):
    """A choice that a script's form, made before there was one, leaves as it is."""

    may_be_absent = True


@dataclass(frozen=True)
class TextField(Field):
    pattern: str = r".*"

    def read(self, form: FormValues) -> str:
        given = " ".join(form.get(self.name, "").split())
        if not given or len(given) > MAX_TEXT or not given.isprintable():
            raise InvalidValue(t("settings.bad.text", longest=str(MAX_TEXT)))
        if not re.fullmatch(self.pattern, given):
            raise InvalidValue(t(f"settings.bad.{self.name}"))
        return given


@dataclass(frozen=True)
class WordField(Field):
    """A word of the tenant's, in a group of such; the group has the help. Empty is a choice, too."""

    group: str = ""

    may_be_absent = True

    @property
    def help(self) -> str:
        return ""

    def read(self, form: FormValues) -> str:
        given = " ".join(form.get(self.name, "").split())
        if len(given) > MAX_TEXT or not given.isprintable():
            raise InvalidValue(t("settings.bad.word", longest=str(MAX_TEXT)))
        return given


@dataclass(frozen=True)
class CurrencyField(Field):
    """A currency by its code of ISO 4217; empty means none."""

    may_be_absent = True

    def read(self, form: FormValues) -> str | None:
        given = form.get(self.name, "").strip().upper()
        if given and not re.fullmatch(r"[A-Z]{3}", given):
            raise InvalidValue(t("settings.bad.currency"))
        return given or None


@dataclass(frozen=True)
class PercentField(Field):
    """Whole percent from 1 to 100; empty or 0 means off."""

    widget = "percent"

    def read(self, form: FormValues) -> int | None:
        given = form.get(self.name, "").strip().removesuffix("%").strip()
        if not re.fullmatch(r"[0-9]{0,9}", given) or int(given or 0) > 100:
            raise InvalidValue(t("settings.bad.percent"))
        return int(given or 0) or None


@dataclass(frozen=True)
class PeriodField(Field):
    """Minutes, typed as a number and a unit; empty means off."""

    widget = "period"

    def read(self, form: FormValues) -> int | None:
        given = form.get(self.name, "").strip().replace(",", ".")
        if not given:
            return None
        unit = UNITS.get(form.get(f"{self.name}_unit", "minutes"))
        if unit is None or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", given):
            raise InvalidValue(t("settings.bad.period"))
        minutes = round(Fraction(given) * unit)
        if not MIN_PERIOD_MINUTES <= minutes <= MAX_PERIOD_MINUTES:
            raise InvalidValue(t("settings.bad.period"))
        return minutes

    def form_values(self, value: Any) -> dict[str, str]:
        if not isinstance(value, int) or value <= 0:
            return {self.name: "", f"{self.name}_unit": "hours"}
        unit = next(unit for unit in reversed(UNITS) if value % UNITS[unit] == 0)
        return {self.name: str(value // UNITS[unit]), f"{self.name}_unit": unit}

    def labelled_options(self) -> Iterator[tuple[str, str]]:
        for unit in UNITS:
            yield unit, t(f"settings.unit.{unit}")


@dataclass(frozen=True)
class HoursField(Field):
    """Two times of day, from and to; both empty means always."""

    widget = "hours"

    def read(self, form: FormValues) -> list[str] | None:
        start, end = (_time_of_day(form.get(f"{self.name}_{side}", "")) for side in ("from", "to"))
        if not start and not end:
            return None
        if not start or not end or start in (end, END_OF_DAY):
            raise InvalidValue(t("settings.bad.hours"))
        return [start, end]

    def form_values(self, value: Any) -> dict[str, str]:
        start, end = value if isinstance(value, list | tuple) and len(value) == 2 else ("", "")
        return {f"{self.name}_from": str(start), f"{self.name}_to": str(end)}


def _time_of_day(text: str) -> str:
    given = text.strip()
    if given and not TIME.fullmatch(given):
        raise InvalidValue(t("settings.bad.hours"))
    return given.zfill(5) if given else ""
