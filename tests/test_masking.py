"""Bodies without anybody in them: no secret survives, and nothing else is changed."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from views.evidence import Look
from views.masking import HIDDEN, PERSONAL, TOKEN, masked_body, masked_url, masked_words

HIDE = Look()
letters = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])
secrets = st.text(letters, min_size=1, max_size=12).map(lambda text: f"§{text}§")
spellings = st.sampled_from(sorted(PERSONAL)).flatmap(
    lambda key: st.sampled_from([key, key.upper(), f"{key[:1]}_{key[1:]}", key.capitalize()])
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["SE", "1249.10", "#1001", "a, b: [c]", '"', "\\"]),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["id", "total", "lines"]), below),
    max_leaves=12,
)


def shape(value):
    """A value without what its ends are."""
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


@given(bodies(), st.booleans(), st.booleans())
def test_nothing_under_a_personal_key_is_shown(case, spaced, ascii_only):
    secret, body = case
    text = json.dumps(body, indent=1 if spaced else None, ensure_ascii=ascii_only)

    shown = HIDE.at(text.encode())

    assert secret not in shown
    assert json.dumps(secret)[1:-1] not in shown
    assert secret not in str(json.loads(shown))


@given(bodies())
def test_what_is_left_is_json_of_the_same_keys(case):
    _, body = case

    masked = json.loads(masked_body(json.dumps(body), is_json=True))

    assert shape(masked).keys() == shape(body).keys()


@given(plain)
def test_what_is_not_personal_stays_to_the_letter(value):
    text = json.dumps(value, indent=2)

    assert masked_body(text, is_json=True) == text
    assert [each for each in TOKEN.findall(masked_body(text, is_json=True))] == TOKEN.findall(text)


@pytest.mark.parametrize(
    ("key", "value"),
    [("note", 46701234567), ("phone", 46701234567), ("latitude", 59.3293), ("zip", "11122"), ("Email", "a@b.se")],
)
def test_numbers_are_hidden_as_words_are(key, value):
    assert masked_body(json.dumps({key: value}), is_json=True) == json.dumps({key: HIDDEN}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"name": "#1001", "customer": {"name": "Åsa"}}, {"name": "#1001", "customer": {"name": HIDDEN}}),
        ({"data": {"order": {"name": "#1001"}}}, {"data": {"order": {"name": "#1001"}}}),
        ({"order": {"lineItems": {"nodes": [{"name": "CD"}]}}}, {"order": {"lineItems": {"nodes": [{"name": "CD"}]}}}),
        (
            {"shipping_address": {"name": "Åsa", "country": "SE"}},
            {"shipping_address": {"name": HIDDEN, "country": "SE"}},
        ),
        ({"defaultAddress": {"city": "Lund"}}, {"defaultAddress": {"city": HIDDEN}}),
        ({"billing_address": [{"name": "Åsa"}]}, {"billing_address": [{"name": HIDDEN}]}),
    ],
)
def test_a_name_is_hidden_where_it_is_somebodys(body, shown):
    assert json.loads(masked_body(json.dumps(body), is_json=True)) == shown


@given(
    st.from_regex(r"[a-zA-Z0-9._+åäö-]{1,12}@[a-z0-9-]{1,12}\.(se|com|co\.uk)", fullmatch=True),
    st.sampled_from(["{}", "write to {}.", "<b>{}</b>", "a={}&b=1", "'{}'"]),
)
def test_an_address_is_hidden_wherever_it_stands(address, around):
    text = around.format(address)

    assert address not in masked_words(text)
    assert address not in masked_body(json.dumps({"message": text}, ensure_ascii=False), is_json=True)
    assert address not in masked_url(f"https://x.se/find?q={address}")


@pytest.mark.parametrize("number", ["+46701234567", "+46 70 123 45 67", "+1 (555) 010-9999", "0046701234567"])
def test_a_number_is_hidden_wherever_it_stands(number):
    assert number not in masked_words(f"Call {number} now.")


@pytest.mark.parametrize("text", ["6100000001001", "2026-11-24T12:00:00+01:00", "1249.10", "+12", "SE-WEB", "00012"])
def test_what_only_looks_a_little_like_one_stays(text):
    assert masked_words(text) == text


def test_an_addresss_query_is_hidden_by_its_names():
    shown = masked_url("https://demo.voyado.com/api/v3/contacts/id?email=%C3%A5sa%40x.se&firstName=Eva&store=SE")

    assert shown == f"https://demo.voyado.com/api/v3/contacts/id?email={HIDDEN}&firstName={HIDDEN}&store=SE"


@given(st.binary(max_size=60))
def test_any_bytes_are_shown_somehow(content):
    for look in (Look(), Look(raw=True), Look(revealed=True)):
        assert isinstance(look.at(content), str)


@given(st.text(letters, max_size=20), st.text(letters, max_size=20))
def test_what_is_no_json_is_left_as_it_is(text, more):
    assume("@" not in text + more and "+" not in text + more and "00" not in text + more)

    assert HIDE.at(f"{text}<{more}".encode()) == f"{text}<{more}"
