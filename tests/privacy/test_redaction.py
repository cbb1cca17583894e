"""Redaction: no personal data and no secret survives, nothing else is changed, and the cost grows linearly."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from redaction import (
    JSON_TOKEN,
    MASK,
    MESSAGE_LENGTH,
    PERSONAL_FIELDS,
    masked_body,
    masked_url,
    masked_value,
    masked_words,
    redacted,
    redacted_message,
)
from tests.support.servers.processes import printed
from views.tasks.attempts import BodyFormat

MASKED = BodyFormat()
letters = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])
secrets = st.text(letters, min_size=1, max_size=12).map(lambda text: f"§{text}§")
spellings = st.sampled_from(sorted(PERSONAL_FIELDS)).flatmap(
    lambda key: st.sampled_from([key, key.upper(), f"{key[:1]}_{key[1:]}", key.capitalize()])
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["SE", "1249.10", "#1001", "a, b: [c]", '"', "\\"]),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["id", "total", "lines"]), below),
    max_leaves=12,
)


def shape(value):
    """A value with its keys and without its leaves."""
    if isinstance(value, dict):
        return {key: shape(below) for key, below in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else ""


@st.composite
def bodies(draw):
    """A JSON body with one secret somewhere below a personal key."""
    secret = draw(secrets)
    held = draw(st.sampled_from([secret, [secret], {"value": secret}, [{"deep": [secret]}]]))
    body = {"before": draw(plain), draw(spellings): held, "after": draw(plain)}
    for name in draw(st.lists(st.sampled_from(["customer", "data", "nodes"]), max_size=3)):
        body = draw(st.sampled_from([{name: body}, {name: [body, 1]}]))
    return secret, body


@settings(deadline=None)  # the first example imports what it needs
@given(bodies(), st.booleans(), st.booleans())
def test_nothing_under_a_personal_field_is_shown(case, spaced, ascii_only):
    secret, body = case
    text = json.dumps(body, indent=1 if spaced else None, ensure_ascii=ascii_only)

    shown = MASKED.format_body(text.encode())

    assert secret not in shown
    assert json.dumps(secret)[1:-1] not in shown
    assert secret not in str(json.loads(shown))


@given(bodies())
def test_a_masked_body_is_json_with_the_same_keys(case):
    _, body = case

    masked = json.loads(masked_body(json.dumps(body), is_json=True))

    assert shape(masked).keys() == shape(body).keys()


@given(plain)
def test_a_body_without_personal_data_stays_to_the_letter(value):
    text = json.dumps(value, indent=2)

    assert masked_body(text, is_json=True) == text
    assert JSON_TOKEN.findall(masked_body(text, is_json=True)) == JSON_TOKEN.findall(text)


@pytest.mark.parametrize(
    ("key", "value"),
    [("note", 46701234567), ("phone", 46701234567), ("latitude", 59.3293), ("zip", "11122"), ("Email", "a@b.se")],
)
def test_numbers_are_masked_like_strings(key, value):
    assert masked_body(json.dumps({key: value}), is_json=True) == json.dumps({key: MASK}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"name": "#1001", "customer": {"name": "Åsa"}}, {"name": "#1001", "customer": {"name": MASK}}),
        ({"data": {"order": {"name": "#1001"}}}, {"data": {"order": {"name": "#1001"}}}),
        ({"order": {"lineItems": {"nodes": [{"name": "CD"}]}}}, {"order": {"lineItems": {"nodes": [{"name": "CD"}]}}}),
        (
            {"shipping_address": {"name": "Åsa", "country": "SE"}},
            {"shipping_address": {"name": MASK, "country": "SE"}},
        ),
        ({"defaultAddress": {"city": "Lund"}}, {"defaultAddress": {"city": MASK}}),
        ({"billing_address": [{"name": "Åsa"}]}, {"billing_address": [{"name": MASK}]}),
        (
            {"extraData": {"ShippingName": "Åsa", "ShippingCity": "Lund", "ShippingCountry": "SE"}},
            {"extraData": {"ShippingName": MASK, "ShippingCity": MASK, "ShippingCountry": "SE"}},
        ),
        (
            {"TrackingNumber2": "B", "TrackingUrl2": "https://track.example/B?zip=22222"},
            {"TrackingNumber2": "B", "TrackingUrl2": MASK},
        ),
    ],
)
def test_a_name_is_masked_where_it_is_personal(body, shown):
    assert json.loads(masked_body(json.dumps(body), is_json=True)) == shown


@given(
    st.from_regex(r"[a-zA-Z0-9._+åäö-]{1,12}@[a-z0-9-]{1,12}\.(se|com|co\.uk)", fullmatch=True),
    st.sampled_from(["{}", "write to {}.", "<b>{}</b>", "a={}&b=1", "'{}'"]),
)
def test_an_email_address_is_masked_anywhere_in_a_text(address, around):
    text = around.format(address)

    assert address not in masked_words(text)
    assert address not in masked_body(json.dumps({"message": text}, ensure_ascii=False), is_json=True)
    assert address not in masked_url(f"https://x.se/find?q={address}")


@pytest.mark.parametrize("number", ["+46701234567", "+46 70 123 45 67", "+1 (555) 010-9999", "0046701234567"])
def test_a_phone_number_is_masked_anywhere_in_a_text(number):
    assert number not in masked_words(f"Call {number} now.")


@pytest.mark.parametrize("text", ["6100000001001", "2026-11-24T12:00:00+01:00", "1249.10", "+12", "SE-WEB", "00012"])
def test_an_id_an_instant_and_an_amount_are_not_phone_numbers(text):
    assert masked_words(text) == text


def test_a_urls_query_is_masked_by_its_parameters_names():
    shown = masked_url("https://demo.voyado.com/api/v3/contacts/id?email=%C3%A5sa%40x.se&firstName=Eva&store=SE")

    assert shown == f"https://demo.voyado.com/api/v3/contacts/id?email={MASK}&firstName={MASK}&store=SE"


@given(st.binary(max_size=60))
def test_any_bytes_can_be_shown(content):
    for look in (BodyFormat(), BodyFormat(raw=True), BodyFormat(revealed=True)):
        assert isinstance(look.format_body(content), str)


@given(st.text(letters, max_size=20), st.text(letters, max_size=20))
def test_text_that_is_not_json_stays_without_addresses_and_numbers(text, more):
    assume("@" not in text + more and "+" not in text + more and "00" not in text + more)

    assert MASKED.format_body(f"{text}<{more}".encode()) == f"{text}<{more}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("elin.norberg+x@example.test is taken", "(email) is taken"),
        ('The value "elin@example.test" is not valid', 'The value "(email)" is not valid'),
        ('The value "elin@example" is not valid', 'The value "(email)" is not valid'),
        ("No contact with +46 70 174 06 05.", "No contact with (number)."),
        ("070-174 06 05 is no number", "(number) is no number"),
        ("19850709-1234 exists", "(number) exists"),
        ("Store SE-WEB, receipt 42, at 2026-02-11T09:20:31", "Store SE-WEB, receipt 42, at 2026-02-11T09:20:31"),
        ("Contact 8f14e45f-ceea-467f-9575-1d7c4b9a0c11", "Contact 8f14e45f-ceea-467f-9575-1d7c4b9a0c11"),
    ],
)
def test_an_error_message_loses_its_personal_data(text, shown):
    assert redacted_message(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:a-password/of%two&parts@localhost:6379", "redis://:[hidden]:6379"),
        ("bearer first}anna@example.com", "[hidden]"),
        ("shpat_0123.anna@example.com", "[hidden]"),
        ("+46 70 123 45 67 is taken", "[hidden] is taken"),
        ("00123456-1234-4000-8000-000000000000", "00123456-1234-4000-8000-000000000000"),
    ],
)
def test_a_secret_beside_another_is_hidden_in_logs(text, shown):
    assert redacted(text) == shown


def test_a_value_is_masked_by_the_field_that_it_stands_under():
    value = {"name": "Anna", "phone": ["+46701234567"], "total": 7, "contact": {"email": "anna@example.com"}}

    assert masked_value(value) == {
        "name": f"A{MASK}",
        "phone": [f"+{MASK}"],
        "total": 7,
        "contact": {"email": f"a{MASK}@example.com"},
    }


@pytest.mark.parametrize("field", ["statusPageUrl", "OrderStatusUrl", "order_status_url"])
def test_the_page_of_an_orders_status_is_not_shown(field):
    body = {field: "https://shop.example/1/orders/abc/authenticate?key=0123abcd"}

    assert json.loads(masked_body(json.dumps(body), is_json=True)) == {field: MASK}
    assert "0123abcd" not in json.dumps(masked_value(body))


@pytest.mark.parametrize("hide", [masked_words, masked_url, redacted, lambda text: masked_body(text, is_json=False)])
def test_the_key_of_an_order_status_page_is_hidden_in_any_text(hide):
    text = "See https://shop.example/1/orders/abc/authenticate?key=0123abcd-ef now"

    assert "0123abcd" not in hide(text)
    assert "/orders/abc/authenticate?key=" in hide(text)
    assert "-ef" not in hide(text)


# Cost


# Nearly each made one of the earlier expressions quadratic or cubic: 2,000 characters of the second took 1.6 s.
HOSTILE = ["a", "a%40", "@", "a@", "a@b.", "%", "00", "+1 ", ".00-", "bearer ", "a=", "\\", '\\"', "[", '{"a":[', "{"]
SIZE = 60_000


@pytest.mark.parametrize("unit", HOSTILE)
def test_the_cost_of_a_hostile_text_grows_linearly(unit):
    """A process that may use the processor for three seconds ends well; a quadratic expression would need hours."""
    script = f"""
import resource
resource.setrlimit(resource.RLIMIT_CPU, (3, 3))
import json
from redaction import JSON_TOKEN, masked_body, masked_url, masked_words, redacted, redacted_message
text = {unit!r} * ({SIZE} // len({unit!r}))
for each in (text + "!", "@" + text):
    masked_words(each), masked_url(each), redacted(each + " key"), redacted_message(each), JSON_TOKEN.findall(each)
    masked_body(json.dumps({{"name": each}}), is_json=True)
print("done")
"""
    assert printed("-c", script) == "done"


def test_the_cost_of_a_value_does_not_grow_with_its_depth():
    """A thousand levels around a hundred thousand values: as deep as orjson reads."""
    script = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (3, 3))
from redaction import masked_body
masked_body('{"a":' * 1000 + str([0] * 100_000) + "}" * 1000, is_json=True)
print("done")
"""
    assert printed("-c", script) == "done"


@given(st.text("ab@%40.=&?/ +0", max_size=40))
def test_a_message_is_never_longer_than_it_may_be(text):
    assert len(redacted_message(text * 40)) <= MESSAGE_LENGTH
