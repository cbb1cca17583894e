"""The configuration that environment variables stand for."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta

import pytest
import redis

from config import RULES, Config, Misconfigured, documented
from tests.processes import run


def test_without_variables_everything_has_its_default():
    config = Config.read({})

    assert (config.port, config.database_url, config.shopify_api_version) == (8000, "", "2026-10")
    assert (config.lease, config.backoff) == (timedelta(seconds=60), timedelta(seconds=10))
    assert config.engage_origin.format(tenant="demo.staging") == "https://demo.staging.voyado.com"
    assert config.shopify_origin.format(shop="demo.myshopify.com") == "https://demo.myshopify.com"


def test_an_empty_variable_counts_as_missing():
    assert Config.read(dict.fromkeys(documented(), " ")) == Config.read({})


def test_every_variable_is_documented_and_read():
    assert {field.name.upper() for field in fields(Config)} == set(documented())
    assert set(RULES) <= set(documented())
    assert all(about for _, about in documented().values())


def test_values_have_types():
    config = Config.read({"PORT": " 5000 ", "WEB_THREADS": "4", "LEASE_SECONDS": "1.5", "LOG_LEVEL": "DEBUG"})

    assert (config.port, config.web_threads, config.lease_seconds) == (5000, 4, 1.5)
    assert config.lease == timedelta(seconds=1.5)


def test_other_variables_are_left_alone():
    assert Config.read({"PATH": "/bin", "PORTS": "x", "port": "x"}) == Config.read({})


def test_a_configuration_is_not_changed():
    with pytest.raises(AttributeError):
        Config.read({}).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "secrets"),
    [("", []), (" , ", []), ("one", [b"one"]), ("new, old ,", [b"new", b"old"]), ("nyckelå", ["nyckelå".encode()])],
)
def test_shopifys_secrets_are_a_list(text, secrets):
    assert Config.read({"SHOPIFY_API_SECRET": text}).shopify_secrets == secrets


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("PORT", "http", "PORT must be a number, not 'http'."),
        ("PORT", "80.5", "PORT must be a number, not '80.5'."),
        ("PORT", "0", "PORT must be a port from 1 to 65535, not 0."),
        ("PORT", "65536", "PORT must be a port from 1 to 65535, not 65536."),
        ("WEB_THREADS", "0", "WEB_THREADS must be above 0, not 0."),
        ("LEASE_SECONDS", "-1", "LEASE_SECONDS must be above 0, not -1.0."),
        ("LEASE_SECONDS", "nan", "LEASE_SECONDS must be above 0, not nan."),
        ("TIME_LIMIT_SECONDS", "inf", "TIME_LIMIT_SECONDS must be above 0, not inf."),
        ("BACKOFF_SECONDS", "soon", "BACKOFF_SECONDS must be a number, not 'soon'."),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR, not 'LOUD'."),
        ("SHOPIFY_API_VERSION", "26-10", "SHOPIFY_API_VERSION must be a version like 2026-10, not '26-10'."),
    ],
)
def test_a_wrong_value_is_a_sentence(name, text, sentence):
    with pytest.raises(Misconfigured) as refused:
        Config.read({name: text})

    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    "url", ["app.example.com", "https://", "https://app.example.com/", "https://a.example/b", "ftp://a"]
)
def test_the_apps_address_is_a_whole_origin(url):
    with pytest.raises(Misconfigured, match=r"APP_URL must be an address such as https://app\.example\.com"):
        Config.read({"APP_URL": url})


@pytest.mark.parametrize("name", ["SHOPIFY_ORIGIN", "ENGAGE_ORIGIN"])
@pytest.mark.parametrize("url", ["{shop}", "https://{shop}/", "file:///etc"])
def test_the_systems_addresses_have_no_slash_to_end_with(name, url):
    with pytest.raises(Misconfigured, match=f"{name} must be an address that begins with https://"):
        Config.read({name: url})


@pytest.mark.parametrize(
    "url", ["", "postgres://u:p@h:5432/n?sslmode=require", "postgresql:///n?host=/tmp/x", "host=/tmp/x dbname=n"]
)
def test_databases_are_addressed_as_libpq_does(url):
    assert Config.read({"DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "mysql://u:geheim@host/n"),
        ("DATABASE_URL", "geheim"),
        ("REDIS_URL", "http://u:geheim@host"),
        ("REDIS_URL", "geheim"),
    ],
)
def test_an_address_with_a_password_is_not_repeated(name, url):
    with pytest.raises(Misconfigured) as refused:
        Config.read({name: url})

    assert str(refused.value).startswith(f"{name} must be an address such as ")
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize("program", ["manage.py", "scheduler.py", "-mapp"])
def test_a_wrong_variable_ends_every_program_with_a_sentence(program):
    command = [program, "migrate"] if program == "manage.py" else [program]

    done = run(*command, PORT="http")

    assert (done.returncode, done.stderr) == (1, "PORT must be a number, not 'http'.\n")


@pytest.mark.parametrize(
    ("verify", "url", "address"),
    [
        ("1", "rediss://host:6379", "rediss://host:6379"),
        ("0", "rediss://host:6379", "rediss://host:6379?ssl_cert_reqs=none"),
        ("0", "rediss://host:6379/0?a=b", "rediss://host:6379/0?a=b&ssl_cert_reqs=none"),
        ("0", "redis://host:6379", "redis://host:6379"),
        ("0", "", ""),
    ],
)
def test_a_certificate_that_nobody_vouches_for_is_taken_only_when_told(verify, url, address):
    assert Config.read({"REDIS_URL": url, "REDIS_VERIFY": verify}).redis_address == address


def test_redis_understands_the_address():
    found = Config.read({"REDIS_URL": "rediss://host:6379", "REDIS_VERIFY": "0"}).redis_address

    assert redis.Redis.from_url(found).connection_pool.connection_kwargs["ssl_cert_reqs"] == "none"
