"""Addresses as they are configured: each is used for what it is meant for, or refused before anything starts."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import getaddresses
from urllib.parse import quote

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from addresses import MailServerUrl, email_address, parse_mail_server, sender
from config import Misconfigured
from tests.project.test_config import configured

GEHEIM = "geheim"  # in what must not be repeated
CREDENTIAL = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)


def refusal(name: str, text: str) -> str:
    """The sentence about a variable that is refused."""
    with pytest.raises(Misconfigured) as refused:
        configured({name: text})
    (sentence,) = str(refused.value).splitlines()
    assert sentence.startswith(f"{name} must be ")
    return sentence


@given(CREDENTIAL, CREDENTIAL)
def test_every_user_and_password_that_is_percent_encoded_reaches_the_mailer(user, password):
    found = parse_mail_server(f"smtp://{quote(user, safe='')}:{quote(password, safe='')}@mail.example.com")

    assert (found.user, found.password) == (user, password)


@pytest.mark.parametrize(
    ("login", "user", "password"),
    [
        ("app@example.com:p@ss", "app@example.com", "p@ss"),
        ("app:p:s:s", "app", "p:s:s"),
        ("app:!$&'()*+,;=[]^`{|}~\"<>\\", "app", "!$&'()*+,;=[]^`{|}~\"<>\\"),
        ("apikey:SG.a-b_c+d", "apikey", "SG.a-b_c+d"),
        ("app:lösen", "app", "lösen"),
        ("app:100%25%2F%23%3F%20", "app", "100%/#? "),
    ],
)
def test_what_can_be_read_in_one_way_needs_no_encoding(login, user, password):
    found = parse_mail_server(f"smtp://{login}@mail.example.com:25")

    assert found == MailServerUrl("mail.example.com", 25, False, user, password)


@pytest.mark.parametrize(
    "url",
    [
        *(f"smtp://app:{GEHEIM}{mark}x@mail.example.com" for mark in ("/", "?", "#", " ", "\t", "%", "%4", "%zz")),
        *(f"smtp://app:{GEHEIM}{mark}@mail.example.com" for mark in ("%ff", "%00", "%0A")),
        f"smtp://{GEHEIM}@mail.example.com",
        f"smtp://:{GEHEIM}@mail.example.com",
        f"smtp://{GEHEIM}:@mail.example.com",
        f"smtp://app:{GEHEIM}@",
        f"smtp://app:{GEHEIM}@mail.example.com/",
        f"smtp://app:{GEHEIM}@mail.example.com?x=y",
        f"smtp://app:{GEHEIM}@mail.example.com:",
        f"smtp://app:{GEHEIM}@mail.example.com:0",
        f"smtp://app:{GEHEIM}@mail.example.com:65536",
        f"smtp://app:{GEHEIM}@mail..example.com",
        f"http://app:{GEHEIM}@mail.example.com",
        f"app:{GEHEIM}@mail.example.com",
    ],
)
def test_a_mail_server_that_cannot_be_read_is_refused_by_how_to_write_it(url):
    sentence = refusal("SMTP_URL", url)

    assert "smtp://user:password@host:587" in sentence
    assert "%2F %3F %23 %25 and %20" in sentence
    assert GEHEIM not in sentence


def test_a_mail_server_may_have_an_international_name_or_an_ip_address():
    assert parse_mail_server("smtp://mejl.bücher.example").host == "mejl.xn--bcher-kva.example"
    assert parse_mail_server("smtps://[::1]") == MailServerUrl("::1", 465, True, "", "")


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("Engage connector <no-reply@localhost>", "Engage connector", "no-reply@localhost"),
        ("no-reply@example.com", "", "no-reply@example.com"),
        ("<no-reply@example.com>", "", "no-reply@example.com"),
        ("Firma, AB <a@example.com>", "Firma, AB", "a@example.com"),
        ("Firma; AB <a@example.com>", "Firma; AB", "a@example.com"),
        ("Firma: AB (Sverige) [1] <a@example.com>", "Firma: AB (Sverige) [1]", "a@example.com"),
        ('"Firma, AB" <a@example.com>', "Firma, AB", "a@example.com"),
        ('"Firma \\"A\\", B@C" <a@example.com>', 'Firma "A", B@C', "a@example.com"),
        ("Företaget, AB <a@bücher.example>", "Företaget, AB", "a@xn--bcher-kva.example"),
        (f"{'Långt namn, ' * 9}AB <a@example.com>", f"{'Långt namn, ' * 9}AB", "a@example.com"),
        (f"{'Long name, ' * 9}AB <a@example.com>", f"{'Long name, ' * 9}AB", "a@example.com"),
    ],
)
def test_a_sender_is_one_mailbox_for_the_mailers_own_parser(text, name, address):
    message = EmailMessage()
    message["From"] = configured({"MAIL_FROM": text}).mail_from

    (found,) = message["From"].addresses
    assert (found.display_name, found.addr_spec) == (name, address)
    assert getaddresses([str(message["From"])]) == [(name, address)]


@pytest.mark.parametrize(
    "text",
    [
        "no-reply",
        "Firma <no-reply>",
        "Firma <a@example.com",
        "Firma <a@example.com> AB",
        "Firma <a@example.com>, b@example.com",
        "b@example.com, Firma <a@example.com>",
        "a@example.com, b@example.com",
        'Firma "AB" <a@example.com>',
        "Firma <a b@example.com>",
        "Firma <a@exam ple.com>",
        "Firma <jörg@example.com>",
        "Firma\r\nBcc: x <a@example.com>",
    ],
)
def test_a_sender_that_is_not_one_mailbox_is_refused(text):
    assert "an address such as Engage connector <no-reply@example.com>" in refusal("MAIL_FROM", text)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40))
def test_whatever_is_accepted_as_a_sender_has_exactly_one_address(name):
    try:
        text = sender(f"{name} <a@example.com>")
    except ValueError:
        return

    message = EmailMessage()
    message["From"] = text
    assert [address for _, address in getaddresses([str(message["From"])])] == ["a@example.com"]


def test_the_operators_address_has_its_domain_in_ascii():
    assert configured({"OPERATOR_EMAIL": "drift@bücher.example"}).operator_email == "drift@xn--bcher-kva.example"
    assert email_address("drift@faß.example") == "drift@xn--fa-hia.example"


@pytest.mark.parametrize("text", ["drift", "a@b,c@d", "a@b c", "å@example.com", "a@127.0.0.1", "a@[::1]", "a..b@x.se"])
def test_an_operators_address_that_gets_no_mail_is_refused(text):
    assert "an address such as operations@example.com" in refusal("OPERATOR_EMAIL", text)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("https://App.Example.com:443", "https://app.example.com"),
        ("https://app.example.com:8443", "https://app.example.com:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://web_1:8000", "http://web_1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_the_apps_url_is_what_browsers_make_of_it(url, origin):
    assert configured({"APP_URL": url}).app_url == origin


@pytest.mark.parametrize("rest", ["/", "/x", "?x=y", "#x", ":", ":0", ":65536", ":x", " x", "\\x", "..com", ",b.com"])
@pytest.mark.parametrize("name", ["APP_URL", "SHOPIFY_ORIGIN", "ENGAGE_ORIGIN", "SHOPIFY_FRAMES"])
def test_an_origin_is_scheme_host_and_port(name, rest):
    url = f"https://example.com{rest}" if name != "SHOPIFY_FRAMES" else f"https://example.com{rest.strip()}!"

    assert name in refusal(name, url)


@pytest.mark.parametrize("name", ["APP_URL", "SHOPIFY_ORIGIN", "ENGAGE_ORIGIN", "SHOPIFY_FRAMES", "APP_BRIDGE_URL"])
def test_a_url_with_a_password_is_refused_and_not_repeated(name):
    assert GEHEIM not in refusal(name, f"https://app:{GEHEIM}@example.com/x.js")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://{shop}", "https://{shop}"),
        ("https://demo.myshopify.com", "https://demo.myshopify.com"),
        ("https://{shop}.Bücher.example:443", "https://{shop}.xn--bcher-kva.example"),
        ("http://127.0.0.1:8001/shopify/{shop}", "http://127.0.0.1:8001/shopify/{shop}"),
    ],
)
def test_a_systems_origin_may_have_the_tenants_name_in_one_place(url, origin):
    assert configured({"SHOPIFY_ORIGIN": url}).shopify_origin == origin


@pytest.mark.parametrize(
    "url", ["https://{tenant}", "https://{}", "https://{shop}/{shop}", "https://{shop", "https://{shop}/admin"]
)
def test_a_systems_origin_without_a_valid_placeholder_is_refused(url):
    assert "such as https://{shop}.example.com" in refusal("SHOPIFY_ORIGIN", url)


def test_frames_may_have_wildcards():
    frames = configured({"SHOPIFY_FRAMES": "https://{shop}  https://*.Example.com:443"}).shopify_frames

    assert frames == "https://{shop} https://*.example.com"


def test_the_apps_address_in_the_admin_has_the_store_and_the_app_in_its_path():
    url = "http://localhost:8001/admin/store/{store}/apps/{app}"

    assert configured({"SHOPIFY_ADMIN_URL": url}).shopify_admin_url == url


@pytest.mark.parametrize(
    "path", ["", "/", "/{store}", "/{store}/{app}/", "/{store}/{app}?x", "/{store}/{store}/{app}", "/{store}/{app}/{x}"]
)
def test_an_address_in_the_admin_that_leads_to_no_app_is_refused(path):
    assert "/store/{store}/apps/{app}" in refusal("SHOPIFY_ADMIN_URL", f"https://admin.example.com{path}")


@pytest.mark.parametrize(
    "url", ["https://cdn.example.com", "https://cdn.example.com/", "https://cdn.example.com/a'b;c"]
)
def test_a_script_that_no_page_can_load_is_refused(url):
    assert "the address of a script" in refusal("APP_BRIDGE_URL", url)


@pytest.mark.parametrize(
    "url", ["https://hc.example.com/geheim ping", "https://hc.example.com/geheimå", "https://u:geheim@hc.example.com"]
)
def test_a_monitor_that_cannot_be_pinged_is_refused_and_not_repeated(url):
    assert GEHEIM not in refusal("HEARTBEAT_URL", url)


@pytest.mark.parametrize(
    "rest",
    ["@ss@host/n", "/ss@host/n", "%@host/n", "@host", "@host:x/n", "@host:0/n", "@ho st/n", "@host/n?sslmode=always"],
)
def test_a_database_that_libpq_reads_otherwise_than_it_is_meant_is_refused(rest):
    sentence = refusal("DATABASE_URL", f"postgres://app:12{GEHEIM}{rest}")

    assert "postgresql://user:password@host/name" in sentence
    assert GEHEIM not in sentence


def test_herokus_addresses_are_used_as_they_are():
    database = "postgres://u1:p2ab@ec2-1-2-3-4.compute-1.amazonaws.com:5432/d3"
    redis_url = "rediss://:p4cd@ec2-5-6-7-8.compute-1.amazonaws.com:25190"

    found = configured({"DATABASE_URL": database, "REDIS_URL": redis_url, "REDIS_VERIFY": "0"})

    assert conninfo_to_dict(found.database_url)["password"] == "p2ab"
    connected_by = redis.Redis.from_url(found.redis_address).connection_pool.connection_kwargs
    assert (connected_by["password"], connected_by["port"]) == ("p4cd", 25190)


@pytest.mark.parametrize(
    "url",
    [
        *(f"redis://:12{mark}{GEHEIM}@host:6379" for mark in ("/", "?", "#", "%")),
        *(f"redis://:{GEHEIM}@{rest}" for rest in ("", "host:x", "host:0", "host:65536", "host/first", "host?x=y")),
        f"redis://:{GEHEIM}@host?socket_timeout=long",
        f"unix://:{GEHEIM}@",
    ],
)
def test_a_redis_that_redis_py_reads_otherwise_than_it_is_meant_is_refused(url):
    sentence = refusal("REDIS_URL", url)

    assert "rediss://:password@host:6379/0" in sentence
    assert GEHEIM not in sentence


@pytest.mark.parametrize("text", ["k1", f"k1:{GEHEIM}", f"k 1:{GEHEIM}", "k1:aGVp,k1:aGVp", " , "])
def test_keys_that_cannot_encrypt_are_refused_at_the_start(text):
    with pytest.raises(Misconfigured, match="SECRET_KEYS") as refused:
        configured({"SECRET_KEYS": text})

    assert GEHEIM not in str(refused.value)


def test_every_variable_that_cannot_work_is_named():
    with pytest.raises(Misconfigured) as refused:
        configured({"PORT": "0", "APP_URL": "example.com", "LEASE_SECONDS": "1e12", "RETAIN_BODY_DAYS": "99999999"})

    names = {sentence.partition(" ")[0] for sentence in str(refused.value).splitlines()}
    assert names == {"PORT", "APP_URL", "LEASE_SECONDS", "RETAIN_BODY_DAYS"}
