"""Settings form: the sections of the settings page, their fields, and reading a submitted section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from alerts.settings import AlertSettings
from clients.engage import ORDER_PATHS
from mappings.contact import ContactRules
from mappings.notification import NotificationRules
from mappings.receipt import ReceiptRules
from models import Shop
from models.settings import Path, chosen_at
from views.fields import Choice, Field, Form, Hours, Percent, Period, Switch, Text, Unfit
from words import LANGUAGES

LOCALE = r"[a-z]{2,3}(-[A-Z]{2})?"


def _defaults(group: str, rules: type[Any]) -> dict[str, Any]:
    defaults = rules()
    return {f"{group}_{each.name}": getattr(defaults, each.name) for each in fields(rules)}


DEFAULTS = (
    _defaults("alerts", AlertSettings)
    | _defaults("receipt", ReceiptRules)
    | _defaults("contact", ContactRules)
    | _defaults("notifications", NotificationRules)
)


def _field(field_type: type[Field], group: str, name: str, **more: Any) -> Field:
    return field_type((group, name), DEFAULTS.get(f"{group}_{name}"), **more)


SECTIONS: dict[str, list[Field]] = {
    "alerts": [
        _field(Period, "alerts", "silence_period"),
        _field(Hours, "alerts", "window"),
        _field(Switch, "alerts", "count_only_window_time"),
        _field(Switch, "alerts", "smart"),
        _field(Percent, "alerts", "error_rate_threshold"),
        _field(Switch, "alerts", "guarded"),
    ],
    "orders": [
        _field(Choice, "receipt", "trigger", options=("created", "paid", "fulfilled")),
        _field(Choice, "receipt", "currency", options=("shop", "presentment")),
        _field(Switch, "receipt", "freight_line"),
        _field(Text, "receipt", "freight_sku"),
    ],
    "contacts": [
        _field(Choice, "contact", "mode", options=("members", "accounts")),
        _field(Choice, "contact", "key", options=("any", "email", "mobilePhone")),
        _field(Text, "contact", "account_consent"),
    ],
    "notifications": [
        Switch(("notifications", "enabled"), False),
        Choice(("notifications", "path"), ORDER_PATHS[0], ORDER_PATHS, words=False),
        _field(Text, "notifications", "language", pattern=LOCALE),
        _field(Choice, "notifications", "currency", options=("shop", "presentment")),
    ],
    "preferences": [Switch(("preferences", "both_ways"), False)],
    "language": [Choice(("language",), LANGUAGES[0], tuple(LANGUAGES))],
}


@dataclass(frozen=True)
class Filled:
    """A section with the values in its form, and the error messages by field."""

    name: str
    fields: Sequence[Field]
    typed: Mapping[str, str]
    wrong: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        return self.typed.get(name, "")


def kept(shop: Shop, name: str) -> Filled:
    """A section filled with the shop's saved settings."""
    typed: dict[str, str] = {}
    for each in SECTIONS[name]:
        typed |= each.typed(chosen_at(shop, each.path, each.default))
    return Filled(name, SECTIONS[name], typed)


def read(name: str, form: Form) -> tuple[dict[Path, Any], Filled]:
    """Read a submitted section: the settings to save, and the form with its errors. With an error, save nothing."""
    wanted: dict[Path, Any] = {}
    wrong: dict[str, str] = {}
    for each in SECTIONS[name]:
        try:
            wanted[each.path] = each.read(form)
        except Unfit as unfit:
            wrong[each.name] = str(unfit)
    return wanted, Filled(name, SECTIONS[name], form, wrong)
