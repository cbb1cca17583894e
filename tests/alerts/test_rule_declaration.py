"""An alert rule is declared once: a rule of this test, in one module, is evaluated, mailed and shown on every page."""

from __future__ import annotations

import ast
import importlib
import sys
from dataclasses import FrozenInstanceError, dataclass, fields
from datetime import UTC, datetime

import pytest

import manage
from alerts import incidents, rule_states
from alerts.declare import AppRule
from alerts.declared import RULES, app_rules, shop_rules
from alerts.delivery import deliver
from alerts.evidence import evidence_json, explanation, read_evidence
from alerts.jobs import smtp_server
from alerts.mail import mail_body
from alerts.rules.error_rate import ErrorRateEvidence, Tally
from alerts.rules.rhythm import RhythmEvidence, StoredBaseline
from alerts.rules.silence import OrderSilenceEvidence
from alerts.settings import input_kinds
from i18n.catalogue import translations
from i18n.locale import LANGUAGES
from models import Mail, MailKind, RuleState
from sandbox import dev_servers
from tests.support.incidents import (
    HOUR,
    MINUTE,
    NOON,
    add_order_sync,
    evaluate,
    open_incident,
    queued_mails,
    rule_state,
    set_alert_settings,
)
from tests.support.web.forms import fields as form_fields
from tests.support.web.forms import press
from tests.support.web.pages import HTMX, ParsedPage, get_page

NAME = "many_orders"
DECLARATION = '''
"""Many orders: more than usual reached Engage within the last hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from alerts.backtest import BacktestAlert
from alerts.declare import Evaluation, ShopRule, rule
from alerts.report import IncidentReport, shop_name, tasks_url
from alerts.settings import Percent
from alerts.task_history import synced_orders
from i18n.catalogue import t
from models import RuleState

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class ManyOrdersEvidence:
    orders: int = 0


@dataclass(frozen=True)
class ManyOrdersChoices:
    most_orders: Percent = None


@rule(
    "many_orders", position=9, evidence=ManyOrdersEvidence, settings=ManyOrdersChoices, covered_by=("error_rate",)
)
class ManyOrders(ShopRule):
    def is_on(self, settings):
        return settings.most_orders is not None

    def evaluate(self, given, settings, before):
        if not self.is_on(settings):
            return Evaluation.off(given.now)
        orders = len(synced_orders(given.shop, given.task_types, given.now - HOUR, given.now, 1_000))
        state = RuleState.FIRING if orders > settings.most_orders else RuleState.OK
        return Evaluation(state, ManyOrdersEvidence(orders), bad_since=given.now)

    def report(self, shop, incident, evidence):
        title = t("alerts.many_orders.mail.subject", shop=shop_name(shop))
        paragraphs = [t("alerts.many_orders.mail.says", orders=evidence.orders)]
        return IncidentReport(title, paragraphs, tasks_url(type="SyncOrder"))

    def backtest(self, settings, history):
        return [BacktestAlert(history.now - HOUR, history.now - HOUR)]
'''
TEXTS = {
    "alerts.many_orders.title": "Many orders",
    "alerts.many_orders.opened": "Many orders at once",
    "alerts.many_orders.state.off": "Set a number of orders to switch it on.",
    "alerts.many_orders.state.ok": "As few orders as usual.",
    "alerts.many_orders.state.firing": "More orders than usual.",
    "alerts.many_orders.mail.subject": "Many orders in {shop}",
    "alerts.many_orders.mail.says": "{orders} orders reached Engage within an hour.",
    "alerts.many_orders.mail.covered": "There were many orders, too.",
    "alerts.many_orders.mail.recovered": "There are fewer orders again, from {end}.",
    "alerts.many_orders.mail.unstable": "It has opened {count} times since {since}.",
    "settings.label.alerts_most_orders": "Most orders in an hour",
    "settings.help.alerts_most_orders": "You are warned of more.",
}


@pytest.fixture
def declared(tmp_path, monkeypatch):
    """Declare the rule and its texts, and take them back."""
    (tmp_path / f"{NAME}.py").write_text(DECLARATION)
    monkeypatch.syspath_prepend(tmp_path)
    for language in LANGUAGES:
        translations(language).update(TEXTS)
    importlib.import_module(NAME)
    yield RULES[NAME]
    del RULES[NAME], sys.modules[NAME]
    translations.cache_clear()


@pytest.fixture
def firing_shop(shop, declared):
    """A shop with more orders than the rule allows."""
    set_alert_settings(shop, most_orders=2)
    for each in range(3):
        add_order_sync(shop, NOON - each * MINUTE, shopify_id=each + 1)
    evaluate(NOON)
    return shop


# One declaration


def test_a_declared_rule_is_evaluated_and_its_evidence_is_stored(firing_shop):
    assert rule_state(firing_shop, NAME) == RuleState.FIRING
    assert open_incident(firing_shop, NAME).evidence == {"orders": 3}
    assert queued_mails(firing_shop) == [(MailKind.FIRE, "owner@example.com")]


def test_a_declared_rule_is_on_the_alerts_page_last(client, firing_shop):
    found = get_page(client, "/alerts")

    assert found.text.index("Error rate Off") < found.text.index("Many orders Alert More orders than usual.")
    assert "Many orders in demo.myshopify.com" in found.text
    assert "3 orders reached Engage within an hour." in found.text
    assert "http://testserver/tasks?type=SyncOrder" in found.links
    assert "Many orders in demo.myshopify.com" in get_page(client, "/tasks").text


def test_the_settings_of_a_declared_rule_are_saved(client, shop, declared):
    press(client, "/settings", "/settings/alerts", alerts_most_orders="7", alerts_silence_period="")

    found = get_page(client, "/settings")
    assert "Most orders in an hour" in found.text
    assert {"name": "alerts_most_orders", "value": "7"}.items() <= _input(found, "alerts_most_orders").items()
    shop = type(shop).get_by_id(shop.id)
    assert declared.settings_of(shop).most_orders == 7


def _input(page, name):
    return next(each for each in page.all("input") if each.get("name") == name)


def test_a_declared_rule_is_backtested(client, declared):
    form = form_fields(client, "/settings", "/settings/alerts") | {"alerts_most_orders": "7"}

    response = client.post("/settings/backtest", data=form, headers=HTMX)

    assert "Many orders: " in ParsedPage(response.text).text


def test_a_declared_rule_is_mailed(firing_shop):
    mail = Mail.get()
    Mail.update(due_at=NOON).execute()
    deliver(mail.id, lambda *_: None, smtp_server())

    sent = Mail.get()
    assert sent.subject == "Many orders in demo.myshopify.com"
    assert "3 orders reached Engage within an hour.\n\nThe tasks that this is about:\n" in sent.text
    assert "\nhttps://admin.shopify.com/store/demo/apps/sandbox-client-id/tasks?type=SyncOrder\n" in sent.text


def test_a_declared_rule_recovers_with_its_own_words(firing_shop):
    Mail.update(state=1, tries=1).execute()
    evaluate(NOON + 3 * HOUR)

    incident = incidents.closed(firing_shop, 1)[0]
    recovery = Mail(shop=firing_shop, kind=MailKind.RESOLVE, address="owner@example.com")
    assert queued_mails(firing_shop)[-1][0] == MailKind.RESOLVE
    assert "There are fewer orders again" in mail_body(recovery, firing_shop, incident).text


def test_the_mail_of_another_rule_covers_a_declared_one(shop, declared):
    set_alert_settings(shop, most_orders=2, error_rate_threshold=20, guarded=False)
    add_order_sync(shop, NOON - HOUR / 2, state=2, shopify_id=9)
    evaluate(NOON - HOUR / 3)
    for each in range(3):
        add_order_sync(shop, NOON - each * MINUTE, shopify_id=each + 1)
    evaluate(NOON)

    assert open_incident(shop, NAME).suppressed_by == "error_rate"


def test_check_alerts_prints_a_declared_rule(firing_shop, capsys):
    arguments = manage.parser().parse_args(["check-alerts", "--now", "2026-11-03T12:00"])
    arguments.run(arguments)

    assert capsys.readouterr().out.splitlines()[-1] == f"demo.myshopify.com  {NAME}  firing  orders=3"


def test_a_rule_that_is_not_declared_any_more_is_left_alone(client, shop, tmp_path, declared):
    set_alert_settings(shop, most_orders=2)
    for each in range(3):
        add_order_sync(shop, NOON - each * MINUTE, shopify_id=each + 1)
    evaluate(NOON)
    kept = RULES.pop(NAME)

    numbers = evaluate(NOON + HOUR)
    pages = [get_page(client, page).text for page in ("/alerts", "/tasks", "/settings")]

    RULES[NAME] = kept  # the fixture takes it back
    assert numbers == len(shop_rules()) - 1
    assert [text for text in pages if "Many orders" in text] == []
    assert rule_states.of_shop(shop)[NAME].failure is None


# Every declared rule


SHOP_TEXTS = {"title", "opened", "state.off", "state.ok", "state.firing", "mail.recovered", "mail.unstable"}
APP_TEXTS = {f"mail.{name}" for name in ("subject", "says", "todo", "over", "worked")}


def test_every_rule_has_its_texts():
    needed = {(each.name, text) for each in RULES.values() for text in _texts(each)}

    assert [key for name, text in needed if (key := f"alerts.{name}.{text}") not in translations("en")] == []


def _texts(declared):
    if isinstance(declared, AppRule):
        return APP_TEXTS
    covers = {"covers"} if any(declared.name in each.covered_by for each in shop_rules()) else set()
    return SHOP_TEXTS | covers | ({"mail.covered"} if declared.covered_by else set())


def test_every_setting_of_a_rule_has_its_texts():
    names = {name for each in RULES.values() for name in input_kinds(each.settings)}

    assert {"silence_period", "smart", "error_rate_threshold"} <= names
    keys = {f"settings.{text}.alerts_{name}" for name in names for text in ("label", "help")}
    assert keys - translations("en").keys() == set()


def test_a_rule_is_covered_only_by_declared_rules_and_never_by_each_other():
    covered_by = {each.name: set(each.covered_by) for each in shop_rules()}

    assert set().union(*covered_by.values()) <= covered_by.keys()
    assert [(a, b) for a, names in covered_by.items() for b in names if a in covered_by[b]] == []


def test_the_published_rules_keep_their_names_and_their_order():
    published = ["order_silence", "order_rhythm", "error_rate"]

    assert [each.name for each in shop_rules() if each.name in published] == published
    assert "stalled" in [each.name for each in app_rules()]


def test_no_other_module_names_a_rule_and_none_reads_evidence_by_key():
    folders = ("alerts", "views")
    paths = [path for folder in folders for path in sorted((dev_servers.CHECKOUT / folder).rglob("*.py"))]
    others = {str(path): ast.parse(path.read_text()) for path in paths if path.parent.name != "declared"}

    assert len(others) > 60
    assert [path for path, tree in others.items() if _names_a_rule(tree) or _reads_evidence_by_key(tree)] == []


def _names_a_rule(tree):
    return any(isinstance(node, ast.Constant) and node.value in RULES for node in ast.walk(tree))


def _reads_evidence_by_key(tree):
    """`evidence["since"]` or `row.evidence.get("since")`."""
    read = [node.value for node in ast.walk(tree) if isinstance(node, ast.Subscript)]
    read += [node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "get"]
    return any("evidence" in (getattr(each, "attr", ""), getattr(each, "id", "")) for each in read)


def test_no_template_names_a_rule():
    templates = sorted((dev_servers.CHECKOUT / "templates").rglob("*.html"))

    assert len(templates) > 50
    assert [path for path in templates if any(f'"{name}"' in path.read_text() for name in RULES)] == []


# Evidence


AT = datetime(2026, 11, 3, 8, tzinfo=UTC)
TALLY = {"group": "order", "finished": 20, "errors": 10, "recent": True}
STORED = [
    (
        OrderSilenceEvidence(AT, AT + HOUR, 60, 180, ("08:00", "22:00"), first=False, asked_at=None),
        {
            "since": "2026-11-03T08:00:00+00:00",
            "fires_at": "2026-11-03T09:00:00+00:00",
            "elapsed": 60,
            "period": 180,
            "window": ["08:00", "22:00"],
            "first": False,
            "asked_at": None,
        },
    ),
    (
        RhythmEvidence(AT, AT + HOUR, 60, 1.5, 2.3, StoredBaseline(AT, (0.5, 1.25), 2.25)),
        {
            "since": "2026-11-03T08:00:00+00:00",
            "fires_at": "2026-11-03T09:00:00+00:00",
            "elapsed": 60,
            "expected": 1.5,
            "limit": 2.3,
            "rhythm": {"at": "2026-11-03T08:00:00+00:00", "rates": [0.5, 1.25], "limit": 2.25},
        },
    ),
    (
        ErrorRateEvidence(20, (Tally("order", 20, 10, recent=True),), Tally("order", 20, 10, recent=True), True, AT),
        {
            "threshold": 20,
            "tallies": [TALLY],
            "worst": TALLY,
            "held_back": True,
            "thin_since": "2026-11-03T08:00:00+00:00",
        },
    ),
]


@pytest.mark.parametrize(("evidence", "stored"), STORED)
def test_evidence_keeps_its_stored_form(evidence, stored):
    assert evidence_json(evidence) == stored
    assert read_evidence(type(evidence), stored) == evidence


@pytest.mark.parametrize(("evidence", "stored"), STORED)
def test_stored_evidence_may_lack_keys_and_have_others(evidence, stored):
    for missing in stored:
        given = {name: value for name, value in stored.items() if name != missing} | {"of_another_release": [1]}
        found = read_evidence(type(evidence), given)
        assert {name: getattr(found, name) for name in given if name in stored} == {
            name: getattr(evidence, name) for name in given if name in stored
        }


def test_all_evidence_is_frozen_and_may_be_empty():
    for each in RULES.values():
        found = read_evidence(each.evidence, {})
        for name in (field.name for field in fields(found)):
            with pytest.raises(FrozenInstanceError):
                setattr(found, name, None)


def test_an_explanation_leaves_out_what_is_empty_or_not_to_be_printed():
    assert explanation(STORED[1][0]).endswith("elapsed=60 expected=1.5 limit=2.3")
    assert explanation(OrderSilenceEvidence()) == explanation(None) == ""


def test_a_value_of_another_type_is_an_error():
    @dataclass(frozen=True)
    class Counted:
        orders: int = 0

    with pytest.raises(ValueError, match="orders"):
        read_evidence(Counted, {"orders": "many"})
