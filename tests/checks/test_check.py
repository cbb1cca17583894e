"""`manage.py check` against real servers: what works, what is wrong, and nothing secret or personal in either."""

from __future__ import annotations

import os
import socket
import time

import psycopg
import pytest

from checks.finding import Finding, start
from checks.servers import check_database
from checks.shops import check_shop
from sandbox import dev_servers
from sandbox.shopify import TOKEN
from sandbox.shopify.customers import CustomerDetails
from sync import shop_connections
from tests.conftest import ENGAGE_KEY, SECRET, free_port
from tests.support.servers.processes import empty_database, printed, run, scratch
from tests.support.servers.smtp_servers import certificate, mail_server

__all__ = ["empty_database", "scratch"]

APP_URL = "https://app.example.com"
ADA = CustomerDetails("Ada", "Kanariefågel", "ada.kanarie@example.com", "+46701234567")


def check(*options: str, **environment: str):
    """The exit code of the command and its lines, which are all that it prints."""
    done = run("manage.py", "check", *options, **{"APP_URL": APP_URL, **environment})
    assert "Traceback" not in done.stderr
    assert [each for each in (TOKEN, ENGAGE_KEY, SECRET, "geheim", "anarie") if each in done.stdout + done.stderr] == []
    return done.returncode, done.stdout.splitlines()


def wrong_lines(lines: list[str], about: str) -> list[str]:
    return [line for line in lines if line.startswith(f"WRONG  {about}: ")]


def test_all_is_well(shop, shopify, engage, tmp_path):
    shopify.add_customer(shop.domain, ADA)
    trusted, context = certificate(tmp_path)
    login = {"SMTP_URL": "smtp://app:geheim%2F@{}", "MAIL_FROM": "a@example.com", "SSL_CERT_FILE": str(trusted)}

    with mail_server(tls=context, login=("app", "geheim/")) as mailbox:
        code, lines = check(**{**login, "SMTP_URL": login["SMTP_URL"].format(mailbox.address)})

    assert (code, [line for line in lines if not line.startswith("ok     ")]) == (0, [])
    assert [line.removeprefix("ok     ").rpartition(": ")[0] for line in lines] == [
        "configuration",
        *["database"] * 3,
        *["Redis"] * 2,
        "mail",
        *[f"{shop.domain}: Shopify"] * 3,
        f"{shop.domain}: Engage",
    ]
    assert mailbox.received == []


def test_every_server_that_does_not_answer_is_a_line_of_its_own(database):
    nowhere = f"127.0.0.1:{free_port()}"

    code, lines = check(
        DATABASE_URL=f"postgresql://u:geheim@{nowhere}/n",
        REDIS_URL=f"redis://:geheim@{nowhere}",
        SMTP_URL=f"smtp://u:geheim@{nowhere}",
        SHOPIFY_API_SECRET="",
        SECRET_KEYS="",
    )

    assert code == 1
    assert [line.split(": ")[0] for line in lines] == [
        *["WRONG  configuration"] * 3,
        "WRONG  database",
        "WRONG  Redis",
        "WRONG  mail",
        "WRONG  shops",
    ]
    assert all("SECRET_KEYS" in line or "SHOPIFY_API_SECRET" in line or "MAIL_FROM" in line for line in lines[:3])


def test_a_server_that_accepts_and_says_nothing_is_not_waited_for(database):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()

        code, lines = check(REDIS_URL=f"redis://{host}", SMTP_URL=f"smtp://{host}", MAIL_FROM="a@example.com")

    assert code == 1
    assert wrong_lines(lines, "Redis")
    assert wrong_lines(lines, "mail")
    assert time.monotonic() - begun < 60


def test_a_check_that_hangs_is_reported_in_time():
    release = socket.create_server(("127.0.0.1", 0))

    (found,) = start("mail", lambda: [Finding("mail", str(release.accept()))])(0.05)

    release.close()
    assert (found.about, found.ok) == ("mail", False)


def test_a_check_that_breaks_hides_no_other():
    (found,) = start("mail", lambda: [Finding("mail", str(1 / 0))])(5)

    assert str(found) == "WRONG  mail: it could not be tried (ZeroDivisionError). Report this."


def test_a_variable_that_cannot_work_ends_the_command_with_its_sentence():
    done = run("manage.py", "check", PORT="0", SMTP_URL="smtp://u:geheim/@host")

    assert done.returncode == 1
    assert [line.split(" ")[0] for line in done.stderr.splitlines()] == ["PORT", "SMTP_URL"]
    assert "geheim" not in done.stderr


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"SHOPIFY_API_KEY": ""}, "SHOPIFY_API_KEY"),
        ({"APP_URL": "http://app.example.com"}, "APP_URL"),
        ({"DATABASE_ROLE": "nobody_here"}, "row-level security"),
    ],
)
def test_what_is_meant_for_development_is_wrong(database, variables, name):
    code, lines = check(**variables)

    (line,) = [line for line in lines if line.startswith("WRONG")]
    assert (code, name in line) == (1, True)


def test_a_database_without_the_schema_names_the_migrations(empty_database):
    code, lines = check(DATABASE_URL=empty_database)

    assert code == 1
    assert "0001_" in wrong_lines(lines, "database")[-1]
    assert wrong_lines(lines, "database")[-1].endswith("Run: python manage.py migrate")


def test_a_role_without_privileges_is_wrong(empty_database):
    printed("manage.py", "migrate", DATABASE_URL=empty_database)
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute("REVOKE DELETE ON task, attempt FROM engage_app")

    code, lines = check(DATABASE_URL=empty_database)

    assert code == 1
    assert wrong_lines(lines, "database") == [
        "WRONG  database: the role engage_app lacks privileges on attempt, task. Run: python manage.py migrate"
    ]


def test_the_database_of_the_tests_is_well(database):
    assert [found.ok for found in check_database()] == [True, True, True]


def test_a_redis_that_evicts_messages_is_wrong(database, scratch):
    server = dev_servers.Redis(scratch)
    url = server.start()
    try:
        server_reply(server, b"CONFIG SET maxmemory-policy allkeys-lru\r\n")
        code, lines = check(REDIS_URL=url)
    finally:
        server.stop()

    assert code == 1
    assert "allkeys-lru" in wrong_lines(lines, "Redis")[0]


def server_reply(server: dev_servers.Redis, command: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(server.socket))
        connection.sendall(command)
        assert connection.recv(100) == b"+OK\r\n"


def test_a_password_that_the_mail_server_refuses_is_wrong(database, tmp_path):
    trusted, context = certificate(tmp_path)
    with mail_server(tls=context, login=("app", "right")) as mailbox:
        url = f"smtp://app:geheim@{mailbox.address}"
        code, lines = check(SMTP_URL=url, MAIL_FROM="a@example.com", SSL_CERT_FILE=str(trusted))

    assert code == 1
    assert "535" in wrong_lines(lines, "mail")[0]


def test_one_shop_alone_is_checked(shop, other_shop, shopify, engage):
    code, lines = check("--shop", other_shop.domain)

    assert code == 0
    assert sum(other_shop.domain in line for line in lines) == 4
    assert not any(shop.domain in line for line in lines)


def test_a_shop_that_is_not_connected_is_wrong(database):
    code, lines = check("--shop", "stranger.myshopify.com")

    assert code == 1
    assert wrong_lines(lines, "stranger.myshopify.com") == [
        "WRONG  stranger.myshopify.com: there is no such shop. Connect it first."
    ]


def wrong_findings(shop) -> list[str]:
    """What is wrong with a shop, without its domain."""
    return [
        f"{found.about}: {found.sentence}".removeprefix(f"{shop.domain}: ")
        for found in check_shop(shop)
        if not found.ok
    ]


def connected_with(shop, **changed: str):
    fields = {"domain": shop.domain, "shopify_token": TOKEN, "engage_key": ENGAGE_KEY, "engage_tenant": "demo"}
    return shop_connections.connect_shop(**{**fields, **changed})


def test_whether_all_orders_are_shown_is_said(shop, shopify, engage):
    before = [str(found) for found in check_shop(shop)]
    shopify.grant(shop.domain, "read_all_orders")
    after = [str(found) for found in check_shop(shop)]

    assert any("Without read_all_orders 60 days of orders are shown" in line for line in before)
    assert any("every scope is granted." in line for line in after)


def test_scopes_that_are_lacking_are_named(shop, shopify, engage):
    shopify.records(shop.domain).scopes = (
        "write_customers",
        "read_orders",
        "read_locations",
        "read_markets",
    )

    (line,) = wrong_findings(shop)

    assert line.startswith("Shopify: it lacks the scopes read_customer_merge, read_fulfillments, read_products. ")


def test_protected_data_that_is_withheld_is_wrong(shop, shopify, engage):
    shopify.records(shop.domain).withholds_protected_data = True

    (line,) = wrong_findings(shop)

    assert line.startswith("Shopify: protected customer data cannot be read (Shopify withholds")
    assert "Partner Dashboard" in line


def test_a_token_that_shopify_refuses_is_wrong(shop, shopify, engage):
    (line,) = wrong_findings(connected_with(shop, shopify_token="shpat_geheim"))

    assert line.startswith("Shopify: the token is not accepted (Shopify answered 401")
    assert "geheim" not in line


def test_a_key_that_engage_refuses_is_wrong(shop, shopify, engage):
    (line,) = wrong_findings(connected_with(shop, engage_key="geheim"))

    assert line.startswith("Engage: the key is not accepted (Engage answered 40")
    assert "geheim" not in line


def test_an_engage_that_is_not_connected_is_wrong(shop, shopify, engage):
    shop.engage_key = None

    (line,) = wrong_findings(shop)

    assert line.startswith("Engage: it is not connected. ")


def test_a_tenant_that_is_nowhere_is_wrong(shop, shopify):
    _, lines = check(ENGAGE_ORIGIN=f"http://127.0.0.1:{free_port()}/{{tenant}}")

    (line,) = wrong_lines(lines, f"{shop.domain}: Engage")
    assert "there is no tenant demo" in line


def test_a_shop_whose_key_is_missing_from_the_keyring_is_wrong(shop, shopify, engage):
    _, lines = check(SECRET_KEYS=os.environ["SECRET_KEYS"].replace("test:", "other:"))

    (line,) = wrong_lines(lines, shop.domain)
    assert "SECRET_KEYS has no key named 'test'" in line


def test_a_shop_that_has_uninstalled_the_app_is_wrong(shop):
    shop.active = False

    assert wrong_findings(shop)[0].endswith("the app is not installed there. Open it in Shopify's admin.")
