"""The settings page: settings are saved as chosen, no input is lost, and concurrent changes are all kept."""

from __future__ import annotations

import contextlib
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts import outbox, recipients, rule_states
from alerts.recipients import MAX_RECIPIENTS
from database import EVERY, connected, db
from models import Action, MailKind, Shop, utcnow
from sync import stores, webhook_endpoints
from sync.notifications import notification_settings
from sync.receipts import receipt_rules
from tests.support.incidents import DAY, HOUR, MINUTE, NOON, add_order_sync, evaluate
from tests.support.web.forms import fields
from tests.support.web.pages import HTMX, ParsedPage, get_page
from views.settings.choices import choose, chosen_at
from views.settings.fields import HoursField, InvalidValue, PercentField, PeriodField
from views.settings.form import read_section, saved_section, sections
from views.web import audit_log

ANNA = "anna@example.com"
SIGNING_SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
ENCRYPTION_KEY = "0123456789abcdefghijABCDEFGHIJKL"
SECTIONS = sections()
ALERTS = {
    "alerts_silence_period": "3",
    "alerts_silence_period_unit": "hours",
    "alerts_window_from": "08:00",
    "alerts_window_to": "22:00",
    "alerts_count_only_window_time": "yes",
    "alerts_error_rate_threshold": "20",
    "alerts_guarded": "yes",
}


def save(client, section, **form):
    """Submit a section as a browser does: an unticked box is not sent."""
    hidden_fields = fields(client, "/settings", f"/settings/{section}")
    return client.post(f"/settings/{section}", data={name: hidden_fields[name] for name in ("token", "click")} | form)


def reloaded(shop):
    return Shop.get_by_id(shop.id)


def test_the_page_shows_the_current_settings_and_the_shops_zone(client):
    found = get_page(client, "/settings")

    for label in (
        "Order silence period",
        "Scheduled order silence check window",
        "Error rate threshold",
        "Alert notification addresses",
        "Times of day are in Europe/Stockholm, the shop's own zone at Shopify.",
        "owner@example.com",
        "Your store's address, always told",
        "Preference webhook",
    ):
        assert label in found.text
    ticked = {each["name"] for each in found.all("input") if "checked" in each}
    assert ticked == {"alerts_count_only_window_time", "alerts_guarded", "receipt_freight_line"}


# Alerts


def test_alert_settings_are_saved_and_shown_again(client, shop):
    evaluate(NOON)

    response = save(client, "alerts", **ALERTS)

    assert response.status_code == 303
    assert reloaded(shop).settings["alerts"] == {
        "silence_period": 180,
        "window": ["08:00", "22:00"],
        "count_only_window_time": True,
        "smart": False,
        "error_rate_threshold": 20,
        "guarded": True,
    }
    found = get_page(client, response.headers["location"])
    assert "Saved." in found.text
    values = {each["name"]: each.get("value") for each in found.all("input") if each["name"].startswith("alerts")}
    assert values["alerts_silence_period"] == "3"
    assert (values["alerts_window_from"], values["alerts_error_rate_threshold"]) == ("08:00", "20")


def test_rules_are_evaluated_soon_after_a_change(client, shop):
    evaluate(NOON)
    assert all(row.next_check_at > utcnow() for row in rule_states.of_shop(shop).values())

    save(client, "alerts", **ALERTS)

    assert all(row.next_check_at <= utcnow() for row in rule_states.of_shop(shop).values())


@pytest.mark.parametrize(
    ("name", "value", "message"),
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
def test_an_invalid_value_has_its_error_and_no_input_is_lost(client, shop, name, value, message):
    unit = {"14": "minutes", "31": "days"}.get(value, "hours")

    response = save(client, "alerts", **ALERTS | {"alerts_silence_period_unit": unit, name: value})

    assert response.status_code == 422
    assert message in response.text
    assert all(f'value="{typed}"' in response.text for typed in (ALERTS | {name: value}).values())
    assert "Not saved" in response.text
    assert reloaded(shop).settings == {}


@pytest.mark.parametrize(
    ("typed", "unit", "minutes"),
    [("15", "minutes", 15), ("1.5", "hours", 90), ("1,5", "hours", 90), ("30", "days", 43_200), ("", "hours", None)],
)
def test_a_period_is_a_number_of_a_unit(typed, unit, minutes):
    period = PeriodField(("alerts", "silence_period"))
    form = {"alerts_silence_period": typed, "alerts_silence_period_unit": unit}

    assert period.read(form) == minutes
    assert period.read(period.form_values(minutes)) == minutes


@pytest.mark.parametrize(
    ("start", "end", "saved_as"),
    [
        ("8:00", "22:00", ["08:00", "22:00"]),
        ("22:00", "06:00", ["22:00", "06:00"]),
        ("00:00", "24:00", ["00:00", "24:00"]),
    ],
)
def test_a_window_is_two_times(start, end, saved_as):
    assert HoursField(("alerts", "window")).read({"alerts_window_from": start, "alerts_window_to": end}) == saved_as


@pytest.mark.parametrize(("typed", "percent"), [("", None), ("0", None), ("1", 1), ("100", 100), (" 20 % ", 20)])
def test_a_threshold_is_whole_percent_and_empty_is_off(typed, percent):
    assert PercentField(("alerts", "error_rate_threshold")).read({"alerts_error_rate_threshold": typed}) == percent


@given(st.data())
def test_any_form_is_saved_whole_or_has_errors(data):
    name = data.draw(st.sampled_from(sorted(SECTIONS)))
    text = st.text(max_size=12) | st.sampled_from(["", "yes", "08:00", "24:00", "3", "paid", "shop", "hours", "en"])
    names = [name for each in SECTIONS[name] for name in each.form_values(None)]
    form = data.draw(st.dictionaries(st.sampled_from(names), text))

    wanted, section = read_section(name, form)

    not_in_form = {each.path for each in SECTIONS[name] if each.may_be_absent and each.name not in form}
    with_error = {each.path for each in SECTIONS[name] if each.name in section.errors}
    assert {each.path for each in SECTIONS[name]} == wanted.keys() | with_error | not_in_form
    for each in SECTIONS[name]:
        if each.path in wanted:
            assert each.read(each.form_values(wanted[each.path])) == wanted[each.path]


@given(st.integers() | st.none() | st.text(max_size=5) | st.lists(st.text(max_size=3), max_size=3))
def test_any_saved_value_can_be_shown(value):
    for section in SECTIONS.values():
        for each in section:
            with contextlib.suppress(InvalidValue):
                each.read(each.form_values(value))


# Repeated and concurrent submissions


def test_a_resubmitted_form_saves_once(client, shop):
    hidden_fields = fields(client, "/settings", "/settings/alerts")
    form = {name: hidden_fields[name] for name in ("token", "click")} | ALERTS

    locations = {client.post("/settings/alerts", data=form).headers["location"] for _ in range(3)}

    assert len(locations) == 1
    assert [row.action for row in audit_log.page(shop, 5)] == [Action.SETTINGS]


def test_a_changed_form_with_the_same_token_saves_again(client, shop):
    hidden_fields = fields(client, "/settings", "/settings/alerts")
    form = {name: hidden_fields[name] for name in ("token", "click")} | ALERTS
    client.post("/settings/alerts", data=form)

    client.post("/settings/alerts", data=form | {"alerts_silence_period": "4"})

    assert reloaded(shop).settings["alerts"]["silence_period"] == 240


def test_the_audit_names_the_changed_settings_and_no_addresses(client, shop):
    save(client, "alerts", **ALERTS)
    save(client, "addresses", addresses=ANNA)

    rows = audit_log.page(shop, 5)
    assert rows[1].details["part"] == "alerts"
    assert "alerts.silence_period" in rows[1].details["changed"]
    assert ANNA not in str([row.details for row in rows])
    assert "Changed settings" in get_page(client, "/audit").text


def test_sections_saved_at_the_same_time_are_all_kept(shop):
    gate = threading.Barrier(2)

    def change(path, value):
        with connected(EVERY):
            own_copy = Shop.get_by_id(shop.id)
            gate.wait()
            for _ in range(20):
                with db.atomic():
                    choose(own_copy, {path: value})
            db.close()

    wanted = {("receipt", "trigger"): "created", ("contact", "mode"): "accounts"}
    threads = [threading.Thread(target=change, args=each) for each in wanted.items()]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert {path: chosen_at(reloaded(shop), path) for path in wanted} == wanted


def test_settings_of_other_releases_are_left_unchanged(client, shop):
    shop.settings = {"alerts": {"loudness": 11}, "receipt": {"trigger": "created"}}
    shop.save()

    save(client, "alerts", **ALERTS)

    assert reloaded(shop).settings["alerts"]["loudness"] == 11
    assert reloaded(shop).settings["receipt"] == {"trigger": "created"}


def test_an_unknown_section_is_not_found(client):
    hidden_fields = fields(client, "/settings", "/settings/alerts")

    assert client.post("/settings/nonsense", data=hidden_fields).status_code == 404


# Sync settings


def test_order_settings_become_receipt_rules(client, shop):
    form = {"receipt_trigger": "created", "receipt_currency": "presentment", "receipt_freight_sku": "SHIP"}
    assert save(client, "orders", **form).status_code == 303

    rules = receipt_rules(reloaded(shop))
    assert (rules.trigger, rules.currency, rules.freight_line, rules.freight_sku) == (
        "created",
        "presentment",
        False,
        "SHIP",
    )


def test_settings_that_an_older_form_lacks_stay_as_they_are(client, shop):
    form = {"receipt_trigger": "paid", "receipt_currency": "shop", "receipt_freight_sku": "SHIP"}
    chosen = {"receipt_article_key": "barcode", "receipt_gift_cards": "left_out", "receipt_group_currency": " sek "}
    save(client, "orders", **form, **chosen)

    assert save(client, "orders", **form).status_code == 303

    rules = receipt_rules(reloaded(shop))
    assert (rules.article_key, rules.gift_cards, rules.group_currency) == ("barcode", "left_out", "SEK")


def test_an_emptied_group_currency_is_none(client, shop):
    form = {"receipt_trigger": "paid", "receipt_currency": "shop", "receipt_freight_sku": "SHIP"}
    for typed in ("SEK", ""):
        save(client, "orders", **form, receipt_group_currency=typed)

    assert receipt_rules(reloaded(shop)).group_currency == ""


@pytest.mark.parametrize(("scopes", "shown"), [("read_orders", True), ("write_products", False), ("", False)])
def test_the_page_says_when_products_may_not_be_read(client, shop, scopes, shown):
    Shop.update(scopes=scopes).where(Shop.id == shop.id).execute()

    assert ("has not yet let the app read products" in get_page(client, "/settings").text) == shown


@pytest.mark.parametrize(
    "form",
    [
        {"receipt_group_currency": "kronor"},
        {"receipt_tips": "often"},
        {"receipt_trigger": "never"},
        {"receipt_freight_sku": " "},
        {"receipt_freight_sku": "x" * 101},
    ],
)
def test_an_invalid_order_setting_is_refused(client, shop, form):
    good = {"receipt_trigger": "paid", "receipt_currency": "shop", "receipt_freight_sku": "SHIP"}

    assert save(client, "orders", **good | form).status_code == 422
    assert reloaded(shop).settings == {}


def test_notifications_count_from_when_they_were_switched_on(client, shop):
    form = {
        "notifications_enabled": "yes",
        "notifications_language": "nb-NO",
        "notifications_currency": "shop",
    }
    before = utcnow()
    save(client, "notifications", **form)
    first = notification_settings(reloaded(shop))
    save(client, "notifications", **form | {"notifications_language": "sv-SE"})

    assert (first.enabled, first.rules.language) == (True, "nb-NO")
    assert before <= first.since <= utcnow()
    assert notification_settings(reloaded(shop)).since == first.since


MAILS = {"notifications_enabled": "yes", "notifications_language": "sv-SE", "notifications_currency": "shop"}
CONFIRMED, SENT, PENDING = (
    f"notifications_{name}" for name in ("order_status_confirmed", "order_status_fulfilled", "payment_status_PENDING")
)


def test_the_status_words_of_mails_are_saved_and_shown_again(client, shop):
    save(client, "notifications", **MAILS, **{CONFIRMED: "  Bestellung   OK ", SENT: "", PENDING: "Väntar"})

    rules = notification_settings(reloaded(shop)).rules
    shown = {each["name"]: each.get("value") for each in get_page(client, "/settings").all("input")}
    assert (shown[CONFIRMED], shown[SENT], shown[PENDING]) == ("Bestellung OK", "", "Väntar")
    assert [rules.order_status_of(kind) for kind in ("confirmed", "fulfilled", "cancelled")] == [
        "Bestellung OK",
        "",
        "ORDER_CANCELLED",
    ]
    assert (rules.payment_status_of("PENDING"), rules.payment_status_of("PAID")) == ("Väntar", "PAID")


def test_a_form_without_the_status_words_leaves_them_as_they_are(client, shop):
    save(client, "notifications", **MAILS, **{CONFIRMED: "Confirmed", SENT: ""})

    save(client, "notifications", **MAILS)

    assert reloaded(shop).settings["notifications"]["order_status"] == {"confirmed": "Confirmed", "fulfilled": ""}


@pytest.mark.parametrize("word", ["x" * 101, "Con\x00firmed", "\u202econfirmed"], ids=["long", "control", "bidi"])
def test_a_status_word_that_is_no_line_of_text_is_refused_beside_its_field(client, shop, word):
    response = save(client, "notifications", **MAILS, **{CONFIRMED: word})

    assert response.status_code == 422
    assert f'id="{CONFIRMED}-wrong"' in response.text
    assert reloaded(shop).settings == {}


def test_the_shops_language_is_used_for_its_pages(client, shop):
    save(client, "language", language="sv")

    assert "Inställningar" in client.get("/settings").text


def test_a_webhook_secret_is_saved_and_never_shown(client, shop):
    assert "No secret is set" in get_page(client, "/settings").text

    assert save(client, "secret", secret=SIGNING_SECRET).status_code == 303

    assert webhook_endpoints.get_or_create(shop).signing_secrets == [SIGNING_SECRET]
    shown = client.get("/settings").text
    assert SIGNING_SECRET not in shown
    assert "A secret is set" in shown
    assert SIGNING_SECRET not in str([row.details for row in audit_log.page(shop, 5)])


def test_an_invalid_secret_is_refused_beside_its_field(client, shop):
    response = save(client, "secret", secret="hunter2")

    assert response.status_code == 422
    assert "begins with whsec_" in response.text
    assert "hunter2" not in response.text


@pytest.fixture
def endpoint(shop):
    """Has a secret and a key already."""
    found = webhook_endpoints.get_or_create(shop)
    webhook_endpoints.add_secret(found, SIGNING_SECRET)
    webhook_endpoints.set_encryption_key(found, ENCRYPTION_KEY)
    return found


def webhook_secrets(shop):
    found = webhook_endpoints.get_or_create(shop)
    return found.signing_secrets, found.payload_key


def test_an_encryption_key_is_saved_sealed_and_never_shown(client, shop):
    assert "An encryption key is set" not in get_page(client, "/settings").text

    assert save(client, "secret", secret="", encryption_key=f" {ENCRYPTION_KEY} ").status_code == 303

    assert webhook_secrets(shop) == ([], ENCRYPTION_KEY)
    assert ENCRYPTION_KEY.encode() not in bytes(webhook_endpoints.get_or_create(shop).encryption_key)
    shown = client.get("/settings").text
    assert ENCRYPTION_KEY not in shown
    assert "An encryption key is set" in shown
    assert ENCRYPTION_KEY not in str([row.details for row in audit_log.page(shop, 5)])


def test_the_signing_secret_and_the_encryption_key_are_saved_together(client, shop):
    save(client, "secret", secret=SIGNING_SECRET, encryption_key=ENCRYPTION_KEY)

    assert webhook_secrets(shop) == ([SIGNING_SECRET], ENCRYPTION_KEY)


def test_an_empty_field_keeps_what_is_set(client, shop, endpoint):
    other = ENCRYPTION_KEY[::-1]
    save(client, "secret", secret="", encryption_key=other)
    assert webhook_secrets(shop) == ([SIGNING_SECRET], other)

    save(client, "secret", secret=SIGNING_SECRET, encryption_key="")
    assert webhook_secrets(shop) == ([SIGNING_SECRET], other)


def test_two_empty_fields_are_refused(client, shop, endpoint):
    assert save(client, "secret", secret=" ", encryption_key="").status_code == 422


@pytest.mark.parametrize("key", [ENCRYPTION_KEY[1:], ENCRYPTION_KEY + "a", ENCRYPTION_KEY[1:] + "-", "å" * 32])
def test_an_invalid_encryption_key_is_refused_beside_its_field_and_nothing_is_saved(client, shop, key):
    response = save(client, "secret", secret=SIGNING_SECRET, encryption_key=key)

    assert response.status_code == 422
    assert "exactly 32 characters" in response.text
    assert key not in response.text
    assert "begins with whsec_" not in response.text
    assert webhook_secrets(shop) == ([], None)


def test_an_invalid_secret_saves_no_encryption_key(client, shop):
    assert save(client, "secret", secret="hunter2", encryption_key=ENCRYPTION_KEY).status_code == 422
    assert webhook_secrets(shop) == ([], None)


def test_a_malformed_encryption_key_is_refused_by_the_endpoint(endpoint):
    with pytest.raises(ValueError, match="32 letters"):
        webhook_endpoints.set_encryption_key(endpoint, "hunter2")


# Stores


def save_stores(shop, *ids):
    stores.save_stores(shop, [{"externalId": each, "name": f"Store {each}", "type": "ECOM"} for each in ids])


def test_the_store_map_is_saved_and_an_emptied_row_is_removed(client, shop):
    save_stores(shop, "SE-WEB", "DK-WEB")
    form = {"default": "SE-WEB", "place_0": "DK", "store_0": "DK-WEB", "place_2": "nordics", "store_2": "SE-WEB"}
    assert save(client, "stores", **form).status_code == 303
    assert reloaded(shop).settings["stores"] == {"DK": "DK-WEB", "nordics": "SE-WEB"}

    save(client, "stores", **form | {"place_2": "", "store_2": "", "default": "DK-WEB"})

    assert reloaded(shop).settings["stores"] == {"DK": "DK-WEB"}
    assert reloaded(shop).store == "DK-WEB"
    assert "Store DK-WEB (DK-WEB)" in get_page(client, "/settings").text


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"default": ""}, "Choose a store."),
        ({"default": "NO-WEB"}, "Engage has no store NO-WEB."),
        ({"place_0": "DK", "store_0": ""}, "Choose a store."),
        ({"place_0": "", "store_0": "SE-WEB"}, "Type a market"),
        ({"place_0": "DK", "store_0": "SE-WEB", "place_1": "dk", "store_1": "SE-WEB"}, "dk stands here twice."),
        ({"place_0": "a b", "store_0": "SE-WEB"}, "Type a market"),
    ],
)
def test_an_invalid_store_map_is_refused_beside_its_field(client, shop, form, message):
    save_stores(shop, "SE-WEB")

    response = save(client, "stores", **{"default": "SE-WEB"} | form)

    assert response.status_code == 422
    assert message in response.text
    assert "stores" not in reloaded(shop).settings


def test_before_the_stores_are_known_any_is_valid(client, shop):
    assert save(client, "stores", default="WHATEVER").status_code == 303
    assert reloaded(shop).store == "WHATEVER"


# Recipients


def test_a_new_recipient_gets_a_confirmation_mail(client, shop):
    response = save(client, "addresses", addresses=f" {ANNA},\n Bo@EXAMPLE.com {ANNA} owner@example.com")

    assert response.status_code == 303
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
def test_an_invalid_address_is_refused_and_stays_in_the_field(client, shop, typed):
    response = save(client, "addresses", addresses=typed)

    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.text or "aria-invalid=true" in response.text
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
def test_an_address_is_saved_with_its_domain_in_ascii(client, shop, typed, kept):
    assert save(client, "addresses", addresses=typed).status_code == 303
    assert [row.address for row in recipients.of_shop(shop)] == [kept]


def test_a_refusal_of_an_address_is_in_the_readers_language(client, shop):
    client.headers["Accept-Language"] = "sv"

    response = save(client, "addresses", addresses="anna@printer.local")

    assert "anna@printer.local är ingen e-postadress." in response.text


def test_the_number_of_recipients_is_limited(client, shop):
    many = ", ".join(f"a{number}@example.com" for number in range(MAX_RECIPIENTS))
    assert save(client, "addresses", addresses=many).status_code == 303

    response = save(client, "addresses", addresses="one-more@example.com")

    assert response.status_code == 422
    assert "20 additional addresses at most" in response.text
    assert "one-more@example.com" in response.text


def test_a_recipient_can_be_asked_again_and_removed(client, shop):
    recipients.add(shop, ANNA)

    assert save(client, "addresses/ask", address=ANNA).status_code == 303
    assert [mail.address for mail in outbox.newest(shop, 5)] == [ANNA]
    assert save(client, "addresses/remove", address=ANNA).status_code == 303
    assert recipients.of_shop(shop) == []


def test_the_shops_own_and_another_shops_address_cannot_be_removed(client, shop, other_shop):
    recipients.add(other_shop, ANNA)
    recipients.add(shop, "bo@example.com")
    hidden_fields = fields(client, "/settings", "/settings/addresses/remove")

    for address in (ANNA, "owner@example.com"):
        assert client.post("/settings/addresses/remove", data=hidden_fields | {"address": address}).status_code == 404
    assert len(recipients.of_shop(other_shop)) == 1


def test_each_recipients_subscription_state_is_shown(client, shop):
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


def test_every_section_is_shown_as_saved(shop):
    assert [saved_section(shop, name).errors for name in SECTIONS] == [{}] * len(SECTIONS)


# Backtest


def backtest(client, **form):
    hidden_fields = fields(client, "/settings", "/settings/alerts")
    data = {name: hidden_fields[name] for name in ("token", "click")} | form
    return client.post("/settings/backtest", data=data, headers=HTMX)


def test_the_backtest_shows_the_alerts_of_the_values(client, shop):
    now = utcnow()
    Shop.update(connected_at=now - 60 * DAY).execute()
    for days in range(10):
        for hour in range(0, 24, 2):
            if days != 3:
                add_order_sync(shop, now - days * DAY - hour * HOUR)

    response = backtest(client, alerts_silence_period="5", alerts_silence_period_unit="hours")

    assert "With these values you would have had 1 alert in the last 30 days." in ParsedPage(response.text).text
    assert "Order silence: " in ParsedPage(response.text).text
    assert len([each for each in ParsedPage(response.text).all("rect") if each["class"] == "alarm"]) == 1
    assert "<html" not in response.text
    assert reloaded(shop).settings == {}


def test_a_threshold_near_the_normal_error_rate_gets_a_warning(client, shop):
    now = utcnow()
    Shop.update(connected_at=now - 60 * DAY).execute()
    for each in range(40):
        add_order_sync(shop, now - each * MINUTE, state=1 if each % 4 else 2, shopify_id=each + 1)

    text = ParsedPage(backtest(client, alerts_error_rate_threshold="20", alerts_guarded="yes").text).text

    assert "Error rate: " in text
    assert "still open" in text
    assert "Normally 25.0% of what is synced fails." in text


def test_a_period_longer_than_the_window_gets_a_warning(client, shop):
    form = {"alerts_window_from": "10:00", "alerts_window_to": "14:00", "alerts_count_only_window_time": "yes"}

    text = ParsedPage(
        backtest(client, alerts_silence_period="12", alerts_silence_period_unit="hours", **form).text
    ).text

    assert "an alert takes at least 3 d with these values" in text


def test_without_a_rule_there_is_no_backtest(client):
    assert "Nothing is switched on" in backtest(client).text


def test_with_invalid_values_the_backtest_refers_to_the_fields(client):
    assert "These values cannot be used yet" in backtest(client, alerts_error_rate_threshold="many").text


def test_without_javascript_the_page_keeps_what_was_typed(client, shop):
    hidden_fields = fields(client, "/settings", "/settings/alerts")

    response = client.post("/settings/backtest", data=hidden_fields | ALERTS)

    assert "<html" in response.text
    assert "With these values you would have had 0 alerts in the last 1 day." in ParsedPage(response.text).text
    assert 'value="20"' in response.text
