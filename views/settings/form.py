"""Settings form: the sections of the settings page, their fields, and reading a submitted section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import groupby
from typing import Any

from alerts.declared import shop_rules
from alerts.settings import input_kinds
from i18n.locale import LANGUAGES
from mappings.contact import ContactRules
from mappings.notification.body import ORDER_STATUS, PAYMENT_STATUS, NotificationRules
from mappings.receipt.purchase import ReceiptRules
from models import Shop
from views.settings.choices import Path, chosen_at
from views.settings.fields import (
    AddedChoiceField,
    ChoiceField,
    CurrencyField,
    Field,
    FormValues,
    HoursField,
    InvalidValue,
    PercentField,
    PeriodField,
    SwitchField,
    TextField,
    WordField,
)

LOCALE = r"[a-z]{2,3}(-[A-Z]{2})?"


def _defaults(group: str, rules: type[Any]) -> dict[str, Any]:
    defaults = rules()
    return {f"{group}_{each.name}": getattr(defaults, each.name) for each in fields(rules)}


DEFAULT_SETTINGS = (
    _defaults("receipt", ReceiptRules)
    | _defaults("contact", ContactRules)
    | _defaults("notifications", NotificationRules)
)


def _field(field_type: type[Field], group: str, name: str, **more: Any) -> Field:
    return field_type((group, name), DEFAULT_SETTINGS.get(f"{group}_{name}"), **more)


def _words(setting: str, defaults: Mapping[str, str]) -> list[Field]:
    return [WordField(("notifications", setting, name), word, group=setting) for name, word in defaults.items()]


RULE_FIELDS = {each.widget: each for each in (HoursField, PercentField, PeriodField, SwitchField)}
OTHER_SECTIONS: dict[str, list[Field]] = {
    "orders": [
        _field(ChoiceField, "receipt", "trigger", options=("created", "paid", "fulfilled")),
        _field(AddedChoiceField, "receipt", "before_app", options=("left_out", "sent")),
        _field(AddedChoiceField, "receipt", "guest_orders", options=("left_out", "sent")),
        _field(ChoiceField, "receipt", "currency", options=("shop", "presentment")),
        _field(CurrencyField, "receipt", "group_currency"),
        _field(SwitchField, "receipt", "freight_line"),
        _field(TextField, "receipt", "freight_sku"),
        _field(AddedChoiceField, "receipt", "freight_points", options=("points", "no_points")),
        _field(AddedChoiceField, "receipt", "gift_cards", options=("no_points", "left_out", "article")),
        _field(AddedChoiceField, "receipt", "tips", options=("adjustment", "purchase", "left_out")),
        _field(AddedChoiceField, "receipt", "article_key", options=("sku", "barcode", "variant")),
        _field(SwitchField, "receipt", "redeem_codes"),
    ],
    "contacts": [
        _field(ChoiceField, "contact", "mode", options=("members", "accounts")),
        _field(ChoiceField, "contact", "key", options=("any", "email", "mobilePhone")),
        _field(TextField, "contact", "account_consent"),
        _field(SwitchField, "contact", "send_no_account"),
        _field(SwitchField, "contact", "address_phone"),
    ],
    "notifications": [
        SwitchField(("notifications", "enabled"), False),
        _field(TextField, "notifications", "language", pattern=LOCALE),
        _field(ChoiceField, "notifications", "currency", options=("shop", "presentment")),
        *_words("order_status", ORDER_STATUS),
        *_words("payment_status", PAYMENT_STATUS),
    ],
    "preferences": [SwitchField(("preferences", "both_ways"), False)],
    "language": [ChoiceField(("language",), LANGUAGES[0], tuple(LANGUAGES))],
}


def sections() -> dict[str, list[Field]]:
    """The fields of each section. Those of alerts are the settings that the alert rules declare."""
    return {"alerts": _rule_fields(), **OTHER_SECTIONS}


def _rule_fields() -> list[Field]:
    """The settings of all rules, each once, in the order of the rules."""
    found: dict[str, Field] = {}
    for each in shop_rules():
        defaults = each.settings()
        for name, kind in input_kinds(each.settings).items():
            found[name] = RULE_FIELDS[kind](("alerts", name), getattr(defaults, name))
    return list(found.values())


@dataclass(frozen=True)
class SectionForm:
    """A section with the values in its form, and the error messages by field."""

    name: str
    fields: Sequence[Field]
    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        return self.values.get(name, "")

    def groups(self) -> list[tuple[str, list[Field]]]:
        """The fields by group, in their order; the group of the others is ""."""
        return [(name, list(found)) for name, found in groupby(self.fields, lambda each: each.group)]


def saved_section(shop: Shop, name: str) -> SectionForm:
    """A section filled with the shop's saved settings."""
    section_fields = sections()[name]
    values: dict[str, str] = {}
    for each in section_fields:
        values |= each.form_values(chosen_at(shop, each.path, each.default))
    return SectionForm(name, section_fields, values)


def read_section(name: str, form: FormValues) -> tuple[dict[Path, Any], SectionForm]:
    """Read a submitted section: the settings to save, and the form with its errors. With an error, save nothing."""
    section_fields = sections()[name]
    wanted: dict[Path, Any] = {}
    errors: dict[str, str] = {}
    for each in section_fields:
        if each.may_be_absent and each.name not in form:
            continue
        try:
            wanted[each.path] = each.read(form)
        except InvalidValue as error:
            errors[each.name] = str(error)
    return wanted, SectionForm(name, section_fields, form, errors)
