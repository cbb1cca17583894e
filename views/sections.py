"""The parts of the settings page: which fields each has, and reading a form of one of them."""

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


def _defaults(group: str, kind: type[Any]) -> dict[str, Any]:
    made = kind()
    return {f"{group}_{each.name}": getattr(made, each.name) for each in fields(kind)}


DEFAULTS = (
    _defaults("alerts", AlertSettings)
    | _defaults("receipt", ReceiptRules)
    | _defaults("contact", ContactRules)
    | _defaults("notifications", NotificationRules)
)


def _of(kind: type[Field], group: str, name: str, **more: Any) -> Field:
    return kind((group, name), DEFAULTS.get(f"{group}_{name}"), **more)


SECTIONS: dict[str, list[Field]] = {
    "alerts": [
        _of(Period, "alerts", "silence_period"),
        _of(Hours, "alerts", "window"),
        _of(Switch, "alerts", "count_only_window_time"),
        _of(Switch, "alerts", "smart"),
        _of(Percent, "alerts", "error_rate_threshold"),
        _of(Switch, "alerts", "guarded"),
    ],
    "orders": [
        _of(Choice, "receipt", "trigger", options=("created", "paid", "fulfilled")),
        _of(Choice, "receipt", "currency", options=("shop", "presentment")),
        _of(Switch, "receipt", "freight_line"),
        _of(Text, "receipt", "freight_sku"),
    ],
    "contacts": [
        _of(Choice, "contact", "mode", options=("members", "accounts")),
        _of(Choice, "contact", "key", options=("any", "email", "mobilePhone")),
        _of(Text, "contact", "account_consent"),
    ],
    "notifications": [
        Switch(("notifications", "enabled"), False),
        Choice(("notifications", "path"), ORDER_PATHS[0], ORDER_PATHS, words=False),
        _of(Text, "notifications", "language", pattern=LOCALE),
        _of(Choice, "notifications", "currency", options=("shop", "presentment")),
    ],
    "preferences": [Switch(("preferences", "both_ways"), False)],
    "language": [Choice(("language",), LANGUAGES[0], tuple(LANGUAGES))],
}


@dataclass(frozen=True)
class Filled:
    """A part with what its form holds, and what is wrong with that, by field."""

    name: str
    fields: Sequence[Field]
    typed: Mapping[str, str]
    wrong: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        return self.typed.get(name, "")


def kept(shop: Shop, name: str) -> Filled:
    """As the shop has chosen."""
    typed: dict[str, str] = {}
    for each in SECTIONS[name]:
        typed |= each.typed(chosen_at(shop, each.path, each.default))
    return Filled(name, SECTIONS[name], typed)


def read(name: str, form: Form) -> tuple[dict[Path, Any], Filled]:
    """What a form wants, and the part as it was filled in. What is wrong is told; then nothing may be kept."""
    wanted: dict[Path, Any] = {}
    wrong: dict[str, str] = {}
    for each in SECTIONS[name]:
        try:
            wanted[each.path] = each.read(form)
        except Unfit as unfit:
            wrong[each.name] = str(unfit)
    return wanted, Filled(name, SECTIONS[name], form, wrong)
