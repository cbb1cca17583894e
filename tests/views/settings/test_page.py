"""The settings: every choice is kept as it was made, nothing that was typed is lost, and nobody undoes another's."""

from __future__ import annotations

import contextlib
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import outbox, recipients, rule_states
from alerts.recipients import MAX_RECIPIENTS
from alerts.settings import AlertSettings
from clients.engage.client import ORDER_PATHS
from database import EVERY, connected, db
from models import Action, MailKind, Shop, utcnow
from sync import stores, webhook_endpoints
from sync.notifications import notification_settings
from sync.receipts import receipt_rules
from tests.support.incidents import DAY, HOUR, MINUTE, NOON, look, ordered
from tests.support.web.forms import fields
from tests.support.web.pages import HTMX, ParsedPage, get_page
from views.settings.choices import choose, chosen_at
from views.settings.fields import HoursField, InvalidValue, PercentField, PeriodField
from views.settings.form import SECTIONS, read_section, saved_section
from views.web import audit_log

ANNA = "anna@example.com"
ALERTS = {
    "alerts_silence_period": "3",
    "alerts_silence_period_unit": "hours",
    "alerts_window_from": "08:00",
    "alerts_window_to": "22:00",
    "alerts_count_only_window_time": "yes",
    "alerts_error_rate_threshold": "20",
    "alerts_guarded": "yes",
}


def save(client, part, **form):
    """What the browser sends when the part is filled in so: what is not ticked is not sent."""
    sealed = fields(client, "/settings", f"/settings/{part}")
    return client.post(f"/settings/{part}", data={name: sealed[name] for name in ("token", "click")} | form)


def fresh(shop):
    return Shop.get_by_id(shop.id)


def test_it_shows_what_holds_and_the_shops_zone(client):
    found = get_page(client, "/settings")

    for words in (
        "Order silence period",
        "Scheduled order silence check window",
        "Error rate threshold",
        "Alert notification addresses",
        "Times of day are in Europe/Stockholm, the shop's own zone at Shopify.",
        "owner@example.com",
        "Your store's address, always told",
        "Preference webhook",
    ):
        assert words in found.text
    ticked = {each["name"] for each in found.all("input") if "checked" in each}
    assert ticked == {"alerts_count_only_window_time", "alerts_guarded", "receipt_freight_line"}


# Alerts


def test_alerts_are_kept_and_shown_again(client, shop):
    look(NOON)

    answer = save(client, "alerts", **ALERTS)

    assert answer.status_code == 303
    chosen = AlertSettings.of(fresh(shop))
    assert chosen == AlertSettings(180, ["08:00", "22:00"], True, False, 20, True)
    found = get_page(client, answer.headers["location"])
    assert "Saved." in found.text
    values = {each["name"]: each.get("value") for each in found.all("input") if each["name"].startswith("alerts")}
    assert values["alerts_silence_period"] == "3"
    assert (values["alerts_window_from"], values["alerts_error_rate_threshold"]) == ("08:00", "20")


def test_rules_are_judged_at_once_after_a_change(client, shop):
    look(NOON)
    assert all(row.next_check_at > utcnow() for row in rule_states.of_shop(shop).values())

    save(client, "alerts", **ALERTS)

    assert all(row.next_check_at <= utcnow() for row in rule_states.of_shop(shop).values())


@pytest.mark.parametrize(
    ("name", "value", "beside"),
    [
        ("alerts_silence_period", "14", "from 15 minutes to 30 days"),
        ("alerts_silence_period", "31", "from 15 minutes to 30 days"),
        ("alerts_silence_period", "-3", "from 15 minutes to 30 days"),
        ("alerts_silence_period", "three", "from 15 minutes to 30 days"),
        ("alerts_window_from", "", "Choose two different times"),
        ("alerts_window_from", "22:00", "Choose two different times"),
        ("alerts_window_from", "24:00", "Choose two different times"),
        ("alerts_window_to", "25:00", "Choose two different times"),
        ("alerts_error_rate_threshold", "101", "a whole number from 1 to 100"),
        ("alerts_error_rate_threshold", "2.5", "a whole number from 1 to 100"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field_and_nothing_typed_is_lost(client, shop, name, value, beside):
    unit = {"14": "minutes", "31": "days"}.get(value, "hours")

    answer = save(client, "alerts", **ALERTS | {"alerts_silence_period_unit": unit, name: value})

    assert answer.status_code == 422
    assert beside in answer.text
    assert all(f'value="{typed}"' in answer.text for typed in (ALERTS | {name: value}).values())
    assert "Not saved" in answer.text
    assert fresh(shop).settings == {}


@pytest.mark.parametrize(
    ("typed", "unit", "minutes"),
    [("15", "minutes", 15), ("1.5", "hours", 90), ("1,5", "hours", 90), ("30", "days", 43_200), ("", "hours", None)],
)
def test_a_period_is_a_number_of_a_unit(typed, unit, minutes):
    period = PeriodField(("alerts", "silence_period"))
    form = {"alerts_silence_period": typed, "alerts_silence_period_unit": unit}

    assert period.read(form) == minutes
    assert period.read(period.typed(minutes)) == minutes


@pytest.mark.parametrize(
    ("start", "end", "kept_as"),
    [
        ("8:00", "22:00", ["08:00", "22:00"]),
        ("22:00", "06:00", ["22:00", "06:00"]),
        ("00:00", "24:00", ["00:00", "24:00"]),
    ],
)
def test_a_window_is_two_times(start, end, kept_as):
    assert HoursField(("alerts", "window")).read({"alerts_window_from": start, "alerts_window_to": end}) == kept_as


@pytest.mark.parametrize(("typed", "percent"), [("", None), ("0", None), ("1", 1), ("100", 100), (" 20 % ", 20)])
def test_a_threshold_is_whole_percent_and_nothing_is_off(typed, percent):
    assert PercentField(("alerts", "error_rate_threshold")).read({"alerts_error_rate_threshold": typed}) == percent


@given(st.data())
def test_any_form_is_kept_whole_or_told_what_is_wrong(data):
    name = data.draw(st.sampled_from(sorted(SECTIONS)))
    text = st.text(max_size=12) | st.sampled_from(["", "yes", "08:00", "24:00", "3", "paid", "shop", "hours", "en"])
    names = [name for each in SECTIONS[name] for name in each.typed(None)]
    form = data.draw(st.dictionaries(st.sampled_from(names), text))

    wanted, filled = read_section(name, form)

    assert {each.path for each in SECTIONS[name]} == wanted.keys() | {
        each.path for each in SECTIONS[name] if each.name in filled.wrong
    }
    for each in SECTIONS[name]:
        if each.path in wanted:
            assert each.read(each.typed(wanted[each.path])) == wanted[each.path]


@given(st.integers() | st.none() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=3))
def test_whatever_is_kept_can_be_shown(value):
    for part in SECTIONS.values():
        for each in part:
            with contextlib.suppress(InvalidValue):
                each.read(each.typed(value))


# Once, and beside each other


def test_the_button_pressed_again_saves_once(client, shop):
    sealed = fields(client, "/settings", "/settings/alerts")
    form = {name: sealed[name] for name in ("token", "click")} | ALERTS

    answers = {client.post("/settings/alerts", data=form).headers["location"] for _ in range(3)}

    assert len(answers) == 1
    assert [row.action for row in audit_log.page(shop, 5)] == [Action.SETTINGS]


def test_whoever_goes_back_and_changes_it_is_heard(client, shop):
    sealed = fields(client, "/settings", "/settings/alerts")
    form = {name: sealed[name] for name in ("token", "click")} | ALERTS
    client.post("/settings/alerts", data=form)

    client.post("/settings/alerts", data=form | {"alerts_silence_period": "4"})

    assert AlertSettings.of(fresh(shop)).silence_period == 240


def test_the_audit_names_what_was_changed_and_by_nobody_elses_data(client, shop):
    save(client, "alerts", **ALERTS)
    save(client, "addresses", addresses=ANNA)

    rows = audit_log.page(shop, 5)
    assert rows[1].details["part"] == "alerts"
    assert "alerts.silence_period" in rows[1].details["changed"]
    assert ANNA not in str([row.details for row in rows])
    assert "Changed settings" in get_page(client, "/audit").text


def test_parts_that_are_changed_at_once_are_all_kept(shop):
    gate = threading.Barrier(2)

    def change(path, value):
        with connected(EVERY):
            mine = Shop.get_by_id(shop.id)
            gate.wait()
            for _ in range(20):
                with db.atomic():
                    choose(mine, {path: value})
            db.close()

    wanted = {("receipt", "trigger"): "created", ("contact", "mode"): "accounts"}
    threads = [threading.Thread(target=change, args=each) for each in wanted.items()]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert {path: chosen_at(fresh(shop), path) for path in wanted} == wanted


def test_what_an_older_or_newer_release_keeps_is_left_alone(client, shop):
    shop.settings = {"alerts": {"loudness": 11}, "receipt": {"trigger": "created"}}
    shop.save()

    save(client, "alerts", **ALERTS)

    assert fresh(shop).settings["alerts"]["loudness"] == 11
    assert fresh(shop).settings["receipt"] == {"trigger": "created"}


def test_a_part_that_is_none_is_not_found(client):
    sealed = fields(client, "/settings", "/settings/alerts")

    assert client.post("/settings/nonsense", data=sealed).status_code == 404


# How things are carried over


def test_orders_are_sent_as_was_chosen(client, shop):
    form = {"receipt_trigger": "created", "receipt_currency": "presentment", "receipt_freight_sku": "SHIP"}
    assert save(client, "orders", **form).status_code == 303

    rules = receipt_rules(fresh(shop))
    assert (rules.trigger, rules.currency, rules.freight_line, rules.freight_sku) == (
        "created",
        "presentment",
        False,
        "SHIP",
    )


@pytest.mark.parametrize(
    "form", [{"receipt_trigger": "never"}, {"receipt_freight_sku": " "}, {"receipt_freight_sku": "x" * 101}]
)
def test_an_order_setting_that_cannot_be_is_refused(client, shop, form):
    good = {"receipt_trigger": "paid", "receipt_currency": "shop", "receipt_freight_sku": "SHIP"}

    assert save(client, "orders", **good | form).status_code == 422
    assert fresh(shop).settings == {}


def test_notifications_count_from_when_they_were_switched_on(client, shop):
    form = {
        "notifications_enabled": "yes",
        "notifications_path": ORDER_PATHS[1],
        "notifications_language": "nb-NO",
        "notifications_currency": "shop",
    }
    before = utcnow()
    save(client, "notifications", **form)
    first = notification_settings(fresh(shop))
    save(client, "notifications", **form | {"notifications_language": "sv-SE"})

    assert (first.enabled, first.path, first.rules.language) == (True, ORDER_PATHS[1], "nb-NO")
    assert before <= first.since <= utcnow()
    assert notification_settings(fresh(shop)).since == first.since


def test_the_language_of_the_shop_is_the_pages(client, shop):
    save(client, "language", language="sv")

    assert "Inställningar" in client.get("/settings").text


def test_a_webhook_secret_is_kept_and_never_shown(client, shop):
    secret = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
    assert "No secret is set" in get_page(client, "/settings").text

    assert save(client, "secret", secret=secret).status_code == 303

    assert webhook_endpoints.of_shop(shop).signing_secrets == [secret]
    shown = client.get("/settings").text
    assert secret not in shown
    assert "A secret is set" in shown
    assert secret not in str([row.details for row in audit_log.page(shop, 5)])


def test_what_is_no_secret_is_refused_beside_its_field(client, shop):
    answer = save(client, "secret", secret="hunter2")

    assert answer.status_code == 422
    assert "begins with whsec_" in answer.text
    assert "hunter2" not in answer.text


# Stores


def told(shop, *ids):
    stores.save_stores(shop, [{"externalId": each, "name": f"Store {each}", "type": "ECOM"} for each in ids])


def test_the_map_is_kept_and_an_emptied_row_is_removed(client, shop):
    told(shop, "SE-WEB", "DK-WEB")
    form = {"default": "SE-WEB", "place_0": "DK", "store_0": "DK-WEB", "place_2": "nordics", "store_2": "SE-WEB"}
    assert save(client, "stores", **form).status_code == 303
    assert fresh(shop).settings["stores"] == {"DK": "DK-WEB", "nordics": "SE-WEB"}

    save(client, "stores", **form | {"place_2": "", "store_2": "", "default": "DK-WEB"})

    assert fresh(shop).settings["stores"] == {"DK": "DK-WEB"}
    assert fresh(shop).store == "DK-WEB"
    assert "Store DK-WEB (DK-WEB)" in get_page(client, "/settings").text


@pytest.mark.parametrize(
    ("form", "beside"),
    [
        ({"default": ""}, "Choose a store."),
        ({"default": "NO-WEB"}, "Engage has no store NO-WEB."),
        ({"place_0": "DK", "store_0": ""}, "Choose a store."),
        ({"place_0": "", "store_0": "SE-WEB"}, "Type a market"),
        ({"place_0": "DK", "store_0": "SE-WEB", "place_1": "dk", "store_1": "SE-WEB"}, "dk stands here twice."),
        ({"place_0": "a b", "store_0": "SE-WEB"}, "Type a market"),
    ],
)
def test_a_map_that_cannot_be_is_refused_beside_its_field(client, shop, form, beside):
    told(shop, "SE-WEB")

    answer = save(client, "stores", **{"default": "SE-WEB"} | form)

    assert answer.status_code == 422
    assert beside in answer.text
    assert "stores" not in fresh(shop).settings


def test_before_engage_has_told_its_stores_any_is_taken(client, shop):
    assert save(client, "stores", default="WHATEVER").status_code == 303
    assert fresh(shop).store == "WHATEVER"


# Addresses


def test_an_address_is_asked_first(client, shop):
    answer = save(client, "addresses", addresses=f" {ANNA},\n Bo@EXAMPLE.com {ANNA} owner@example.com")

    assert answer.status_code == 303
    assert [row.address for row in recipients.of_shop(shop)] == [ANNA, "Bo@example.com"]
    assert [(mail.kind, mail.address) for mail in outbox.newest(shop, 5)][::-1] == [
        (MailKind.CONFIRM, ANNA),
        (MailKind.CONFIRM, "Bo@example.com"),
    ]
    assert "Waiting for its confirmation since" in get_page(client, "/settings").text


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "anna",
        "anna@",
        "@example.com",
        "anna@example",
        "a b@",
        "<anna@example.com>",
        "a@b.c@d.e",
        "a@example.com:b@example.com",
        "a@[127.0.0.1]",
        "a..b@example.com",
        "a@printer.local",
        '"a"@example.com',
        "a@example.com\x00",
        "x" * 250 + "@a.com",
    ],
)
def test_what_is_no_address_is_refused_and_kept_in_the_field(client, shop, typed):
    answer = save(client, "addresses", addresses=typed)

    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text or "aria-invalid=true" in answer.text
    assert recipients.of_shop(shop) == []


@pytest.mark.parametrize("typed", ["a@example.com\nBcc: b@example.com", "a@example.com\r\n\r\nb"])
def test_a_line_break_cannot_add_a_header(client, shop, typed):
    assert save(client, "addresses", addresses=typed).status_code == 422
    assert recipients.of_shop(shop) == []


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Info@EXAMPLE.com", "Info@example.com"),
        ("anna@blåbär.example.com", "anna@xn--blbr-noae.example.com"),
        ("anna@XN--blbr-noae.example.com", "anna@xn--blbr-noae.example.com"),
        ("åsa@example.com", "åsa@example.com"),
        ("o'neil+alerts@example.co.uk", "o'neil+alerts@example.co.uk"),
    ],
)
def test_an_address_is_kept_with_its_domain_in_ascii(client, shop, typed, kept):
    assert save(client, "addresses", addresses=typed).status_code == 303
    assert [row.address for row in recipients.of_shop(shop)] == [kept]


def test_a_refusal_of_an_address_is_in_the_readers_language(client, shop):
    client.headers["Accept-Language"] = "sv"

    answer = save(client, "addresses", addresses="anna@printer.local")

    assert "anna@printer.local är ingen e-postadress." in answer.text


def test_there_are_only_so_many(client, shop):
    many = ", ".join(f"a{number}@example.com" for number in range(MAX_RECIPIENTS))
    assert save(client, "addresses", addresses=many).status_code == 303

    answer = save(client, "addresses", addresses="one-more@example.com")

    assert answer.status_code == 422
    assert "20 additional addresses at most" in answer.text
    assert "one-more@example.com" in answer.text


def test_an_address_can_be_removed_and_asked_again(client, shop):
    recipients.add(shop, ANNA)

    assert save(client, "addresses/ask", address=ANNA).status_code == 303
    assert [mail.address for mail in outbox.newest(shop, 5)] == [ANNA]
    assert save(client, "addresses/remove", address=ANNA).status_code == 303
    assert recipients.of_shop(shop) == []


def test_the_shops_own_and_another_shops_address_cannot_be_removed(client, shop, other_shop):
    recipients.add(other_shop, ANNA)
    recipients.add(shop, "bo@example.com")
    sealed = fields(client, "/settings", "/settings/addresses/remove")

    for address in (ANNA, "owner@example.com"):
        assert client.post("/settings/addresses/remove", data=sealed | {"address": address}).status_code == 404
    assert len(recipients.of_shop(other_shop)) == 1


def test_how_each_address_stands_is_said(client, shop):
    for name, change in {
        "told": {"confirmed_at": NOON},
        "gone": {"confirmed_at": NOON, "bounced_at": NOON, "bounce": "550 No such mailbox"},
        "left": {"confirmed_at": NOON, "unsubscribed_at": NOON},
    }.items():
        recipients.update(recipients.add(shop, f"{name}@example.com"), **change)

    text = get_page(client, "/settings").text
    assert "told@example.com Told" in text
    assert "Refused by its server: 550 No such mailbox" in text
    assert "Has left, 3 Nov 2026, 13:00:00" in text


def test_all_parts_are_shown_as_they_are_kept(shop):
    assert [saved_section(shop, name).wrong for name in SECTIONS] == [{}] * len(SECTIONS)


# What would have happened


def backtest(client, **form):
    sealed = fields(client, "/settings", "/settings/alerts")
    data = {name: sealed[name] for name in ("token", "click")} | form
    return client.post("/settings/backtest", data=data, headers=HTMX)


def test_it_says_what_the_values_would_have_done(client, shop):
    now = utcnow()
    Shop.update(connected_at=now - 60 * DAY).execute()
    for days in range(10):
        for hour in range(0, 24, 2):
            if days != 3:
                ordered(shop, now - days * DAY - hour * HOUR)

    answer = backtest(client, alerts_silence_period="5", alerts_silence_period_unit="hours")

    assert "With these values you would have had 1 alert in the last 30 days." in ParsedPage(answer.text).text
    assert "Order silence: " in ParsedPage(answer.text).text
    assert len([each for each in ParsedPage(answer.text).all("rect") if each["class"] == "alarm"]) == 1
    assert "<html" not in answer.text
    assert fresh(shop).settings == {}


def test_errors_would_have_been_told_too_and_a_threshold_near_the_usual_is_warned_of(client, shop):
    now = utcnow()
    Shop.update(connected_at=now - 60 * DAY).execute()
    for each in range(40):
        ordered(shop, now - each * MINUTE, state=1 if each % 4 else 2, shopify_id=each + 1)

    text = ParsedPage(backtest(client, alerts_error_rate_threshold="20", alerts_guarded="yes").text).text

    assert "Error rate: " in text
    assert "still open" in text
    assert "Normally 25.0% of what is synced fails." in text


def test_a_period_that_hardly_fires_is_warned_of(client, shop):
    form = {"alerts_window_from": "10:00", "alerts_window_to": "14:00", "alerts_count_only_window_time": "yes"}

    text = ParsedPage(
        backtest(client, alerts_silence_period="12", alerts_silence_period_unit="hours", **form).text
    ).text

    assert "an alert takes at least 3 d with these values" in text


def test_with_nothing_switched_on_nobody_would_have_been_warned(client):
    assert "Nothing is switched on" in backtest(client).text


def test_with_values_that_cannot_be_it_points_at_the_fields(client):
    assert "These values cannot be used yet" in backtest(client, alerts_error_rate_threshold="many").text


def test_without_javascript_the_whole_page_comes_with_what_was_typed(client, shop):
    sealed = fields(client, "/settings", "/settings/alerts")

    answer = client.post("/settings/backtest", data=sealed | ALERTS)

    assert "<html" in answer.text
    assert "With these values you would have had 0 alerts in the last 1 day." in ParsedPage(answer.text).text
    assert 'value="20"' in answer.text
