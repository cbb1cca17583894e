"""Redaction: no personal data and no secret survives, nothing else is changed, and the cost grows linearly."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redaction.bodies import masked_json, masked_value
from redaction.shown_fields import CODES, OBJECTS, TEXTS
from redaction.text import MASK, MESSAGE_LENGTH, masked_url, masked_words, redacted, redacted_message
from tests.support.servers.processes import printed
from views.tasks.attempts import MAX_SHOWN, BodyFormat

MASKED = BodyFormat()
letters = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])
secrets = st.text(letters, min_size=1, max_size=12).map(lambda text: f"§{text}§")
# Fields that nobody has listed, and some that are known to be personal.
unlisted = st.text("abcdefgh_X", min_size=1, max_size=9).map(lambda name: f"x{name}") | st.sampled_from(
    ["email", "firstName", "ShippingName", "value", "note", "tags", "line", "recipient", "key", "credit_card_name", ""]
)
code_fields = st.sampled_from(["id", "barcode", "quantity", "currency_code", "createdAt", "total_price"])
codes = st.none() | st.booleans() | st.integers() | st.sampled_from(["SE", "1249.10", "#1001", "gid://shopify/X/1"])
listed = st.recursive(
    st.dictionaries(code_fields, codes | st.lists(codes, max_size=3)),
    lambda below: st.dictionaries(st.sampled_from(["order", "data", "items"]), below | st.lists(below, max_size=3)),
    max_leaves=12,
)


def masked_body(body):
    return "".join(space + token for space, token in masked_json(body))


def shape(value):
    """A value with its keys and without its leaves."""
    if isinstance(value, dict):
        return {key: shape(below) for key, below in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else ""


@st.composite
def bodies(draw):
    """A JSON body with one secret somewhere: under a field that is not listed, or where its field has no such value."""
    secret = draw(secrets)
    held = draw(st.sampled_from([secret, [secret], {"value": secret}, [{"deep": [secret]}], {"id": secret}]))
    body = {"id": 1, draw(unlisted): held, "quantity": 2}
    for name in draw(st.lists(st.sampled_from(["customer", "data", "nodes", "order", "other"]), max_size=3)):
        body = draw(st.sampled_from([{name: body}, {name: [body, 1]}]))
    return secret, body


@settings(deadline=None)  # the first example imports what it needs
@given(bodies(), st.booleans(), st.booleans())
def test_nothing_is_shown_under_a_field_that_is_not_listed(case, spaced, ascii_only):
    secret, body = case
    text = json.dumps(body, indent=1 if spaced else None, ensure_ascii=ascii_only)

    shown = MASKED.format_body(text.encode())

    assert secret not in shown
    assert json.dumps(secret)[1:-1] not in shown
    assert secret not in str(json.loads(shown))
    assert secret not in str(masked_value(body))


@given(bodies())
def test_body_and_comparison_are_masked_alike(case):
    _, body = case

    assert json.loads(masked_body(json.dumps(body))) == masked_value(body)


@given(bodies())
def test_a_masked_body_is_json_with_the_same_keys(case):
    _, body = case

    masked = json.loads(masked_body(json.dumps(body)))

    assert len(shape(masked)) == len(shape(body))


@given(listed)
def test_listed_values_stay_to_the_letter(value):
    text = json.dumps(value, indent=2)

    assert masked_body(text) == text


@given(st.sampled_from(sorted(CODES)), secrets.map(lambda text: f"Anna {text}"))
def test_a_field_of_codes_shows_no_words(field, text):
    assert text not in masked_body(json.dumps({field: text}, ensure_ascii=False))


@pytest.mark.parametrize("value", ["anna@example.com", "+46701234567", "0046701234567", "anna%40example.com"])
@given(st.sampled_from(sorted(CODES | TEXTS)))
def test_no_field_shows_an_email_address_or_phone_number(value, field):
    assert value not in masked_body(json.dumps({field: value}))
    assert value not in masked_body(json.dumps({field: f"x {value} y"}))


@given(st.sampled_from(sorted(OBJECTS)))
def test_an_object_shows_nothing_that_is_not_listed_below_it(name):
    body = {name: {"x": "Anna", "phone": 46701234567, "list": [46701234567], name: {"line": "Storgatan 1"}}}

    assert json.loads(masked_body(json.dumps(body))) == {
        name: {"x": MASK, "phone": MASK, "list": [MASK], name: {"line": MASK}}
    }


@pytest.mark.parametrize("key", ["anna@example.com", "Anna Andersson", "+46701234567", "Åsa", ""])
def test_a_key_that_is_no_fields_name_is_hidden(key):
    assert masked_body(json.dumps({key: 1}, ensure_ascii=False)) == json.dumps({MASK: MASK}, ensure_ascii=False)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "#1001", "customer": {"name": "HIDDEN"}}',
        '{"name": "HIDDEN"}',
        '{"data": {"order": {"name": "#1001", "customer": {"id": 7}}}}',
        '{"lineItems": {"nodes": [{"name": "Blue Train", "properties": [{"name": "HIDDEN", "value": "HIDDEN"}]}]}}',
        '{"shipping_address": {"name": "HIDDEN", "country_code": "SE", "zip": "HIDDEN"}}',
        '{"note_attributes": [{"name": "HIDDEN", "value": "HIDDEN"}]}',
        '{"extraData": {"ShippingName": "HIDDEN", "ShippingCountry": "SE"}}',
        '{"contact": {"matchKey": "HIDDEN", "matchKeyType": "email"}}',
        '{"contact": {"matchKey": "7d0f5c1e-3c1f-4a57-9d0e-1f2a3b4c5d6e", "matchKeyType": "contactId"}}',
        '{"taxDetails": [{"description": "Moms", "value": 5.00}], "description": "HIDDEN"}',
        '{"paymentMethods": [{"type": "Gift card", "value": 10.50}]}',
        '{"consents": [{"id": "hasAccount", "value": true}]}',
        '{"query": "query A { shop { id } }", "variables": {"query": "HIDDEN"}}',
        '"HIDDEN"',
        '["HIDDEN"]',
    ],
)
def test_what_a_name_holds_depends_on_the_object_around_it(text):
    masked = text.replace("HIDDEN", MASK)

    assert masked_body(text.replace("HIDDEN", "Åsa")) == masked
    assert masked_value(json.loads(text.replace("HIDDEN", "Åsa"))) == json.loads(masked)
    assert masked_body(text.replace('"HIDDEN"', "46701234567")) == masked


NO_JSON = [
    b'{"name": "Anna"',
    b'{"name": "Anna"} x',
    b"\xef\xbb\xbf" + b'{"name": "Anna"}',
    '{"name": "Åsa"}'.encode("latin-1"),
    b'{"name": "Anna", "x": NaN}',
    b'{"name": "Anna", "x": "\\ud800"}',
    b'{"name": "Anna", "x": 1' + b"0" * 400 + b"}",
    b'{"a":' * 1100 + b'"Anna"' + b"}" * 1100,
    b"name=Anna&street=Storgatan",
    b"<html>Anna</html>",
    b"\xff\xfe",
]


@pytest.mark.parametrize("content", NO_JSON, ids=range(len(NO_JSON)))
def test_what_is_no_json_is_shown_only_when_revealed(content):
    assert MASKED.format_body(content) is None
    assert BodyFormat(revealed=True).format_body(content) == content.decode("utf-8", "replace")[: MAX_SHOWN + 1]


@given(
    st.from_regex(r"[a-zA-Z0-9._+åäö-]{1,12}@[a-z0-9-]{1,12}\.(se|com|co\.uk)", fullmatch=True),
    st.sampled_from(["{}", "write to {}.", "<b>{}</b>", "a={}&b=1", "'{}'"]),
)
def test_an_email_address_is_masked_anywhere_in_a_text(address, around):
    text = around.format(address)

    assert address not in masked_words(text)
    assert address not in masked_body(json.dumps({"articleName": text}, ensure_ascii=False))
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
        assert isinstance(look.format_body(content), str | None)


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


def test_a_value_is_masked_by_the_fields_above_it():
    assert masked_value("Anna", ["customer", "name"]) == MASK
    assert masked_value("Blue Train", ["items", "name"]) == "Blue Train"
    assert masked_value(46701234567, ["contact", "key"]) == MASK
    assert masked_value({"email": "anna@example.com", "id": 7}, ["contact"]) == {"email": MASK, "id": 7}


@pytest.mark.parametrize("field", ["statusPageUrl", "OrderStatusUrl", "order_status_url"])
def test_the_page_of_an_orders_status_is_not_shown(field):
    body = {field: "https://shop.example/1/orders/abc/authenticate?key=0123abcd"}

    assert json.loads(masked_body(json.dumps(body))) == masked_value(body) == {field: MASK}


@pytest.mark.parametrize("hide", [masked_words, masked_url, redacted])
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
from redaction.bodies import JSON_TOKEN, masked_json
from redaction.text import masked_url, masked_words, redacted, redacted_message
text = {unit!r} * ({SIZE} // len({unit!r}))
for each in (text + "!", "@" + text):
    masked_words(each), masked_url(each), redacted(each + " key"), redacted_message(each), JSON_TOKEN.findall(each)
    list(masked_json(json.dumps({{"name": each, "title": each, "id": each, each: each, "items": {{"name": each}}}})))
print("done")
"""
    assert printed("-c", script) == "done"


def test_the_cost_of_a_value_does_not_grow_with_its_depth():
    """A thousand levels around a hundred thousand values: as deep as orjson reads."""
    script = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (3, 3))
from redaction.bodies import masked_json
list(masked_json('{"order":' * 1000 + str([0] * 100_000) + "}" * 1000))
print("done")
"""
    assert printed("-c", script) == "done"


@given(st.text("ab@%40.=&?/ +0", max_size=40))
def test_a_message_is_never_longer_than_it_may_be(text):
    assert len(redacted_message(text * 40)) <= MESSAGE_LENGTH
