"""The configuration that environment variables stand for."""

from __future__ import annotations

import base64
import os
from datetime import timedelta
from unittest import mock

import pytest
import redis
from pydantic import ValidationError

from config import Config, Misconfigured, documented, read
from tests.support.servers.processes import run

KEY = base64.b64encode(b"k" * 32).decode()


def configured(variables: dict[str, str]) -> Config:
    """The configuration of a process that has these variables and no others."""
    with mock.patch.dict(os.environ, variables, clear=True):
        return read()


def test_without_variables_everything_has_its_default():
    config = configured({})

    assert (config.port, config.database_url, config.shopify_api_version) == (8000, "", "2026-10")
    assert (config.lease, config.backoff) == (timedelta(seconds=60), timedelta(seconds=10))
    assert config.engage_origin.format(tenant="demo.staging") == "https://demo.staging.voyado.com"
    assert config.shopify_origin.format(shop="demo.myshopify.com") == "https://demo.myshopify.com"


def test_a_blank_variable_counts_as_unset():
    assert configured(dict.fromkeys(documented(), " ")) == configured({})


def test_every_variable_has_a_description():
    assert all(meaning for _, meaning in documented().values())


def test_the_documented_defaults_are_the_real_ones():
    assert configured({name: default for name, (default, _) in documented().items()}) == configured({})


def test_values_are_converted_to_their_types():
    config = configured({"PORT": " 5000 ", "WEB_THREADS": "4", "LEASE_SECONDS": "1.5", "LOG_LEVEL": "DEBUG"})

    assert (config.port, config.web_threads, config.lease_seconds) == (5000, 4, 1.5)
    assert config.lease == timedelta(seconds=1.5)


def test_other_variables_are_ignored():
    assert configured({"PATH": "/bin", "PORTS": "x", "port": "x"}) == configured({})


def test_a_configuration_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        configured({}).port = 1  # type: ignore[misc]


@pytest.mark.parametrize(("text", "on"), [("0", False), ("1", True)])
def test_a_switch_is_true_or_false(text, on):
    config = configured({"METRICS_SHOPS": text, "REDIS_VERIFY": text})

    assert (config.metrics_shops, config.redis_verify) == (on, on)


@pytest.mark.parametrize(
    ("text", "secrets"),
    [("", []), (" , ", []), ("one", [b"one"]), ("new, old ,", [b"new", b"old"]), ("nyckelå", ["nyckelå".encode()])],
)
def test_shopifys_secrets_are_a_list(text, secrets):
    assert configured({"SHOPIFY_API_SECRET": text}).shopify_secrets == secrets


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
        ("LOG_FORMAT", "xml", "LOG_FORMAT must be json or text, not 'xml'."),
        ("METRICS_SHOPS", "some", "METRICS_SHOPS must be 0 or 1, not 'some'."),
        ("SHOPIFY_API_VERSION", "26-10", "SHOPIFY_API_VERSION must be a version like 2026-10, not '26-10'."),
    ],
)
def test_an_invalid_value_is_refused_with_a_message(name, text, sentence):
    with pytest.raises(Misconfigured) as refused:
        configured({name: text})

    assert str(refused.value) == sentence


@pytest.mark.parametrize(
    "url", ["app.example.com", "https://", "https://app.example.com/", "https://a.example/b", "ftp://a"]
)
def test_the_apps_url_must_be_an_origin(url):
    with pytest.raises(Misconfigured, match=r"APP_URL must be an address such as https://app\.example\.com"):
        configured({"APP_URL": url})


@pytest.mark.parametrize("name", ["SHOPIFY_ORIGIN", "ENGAGE_ORIGIN"])
@pytest.mark.parametrize("url", ["{shop}", "https://{shop}/", "file:///etc"])
def test_the_origins_of_the_systems_must_not_end_with_a_slash(name, url):
    with pytest.raises(Misconfigured, match=f"{name} must be an address that begins with https://"):
        configured({name: url})


@pytest.mark.parametrize(
    "url", ["", "postgres://u:p@h:5432/n?sslmode=require", "postgresql:///n?host=/tmp/x", "host=/tmp/x dbname=n"]
)
def test_database_urls_may_have_any_form_of_libpq(url):
    assert configured({"DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "mysql://u:geheim@host/n"),
        ("DATABASE_URL", "geheim"),
        ("REDIS_URL", "http://u:geheim@host"),
        ("REDIS_URL", "geheim"),
    ],
)
def test_an_invalid_url_with_a_password_is_not_repeated(name, url):
    with pytest.raises(Misconfigured) as refused:
        configured({name: url})

    assert str(refused.value).startswith(f"{name} must be an address such as ")
    assert "geheim" not in str(refused.value)


def test_secrets_are_not_in_the_repr():
    secrets = {
        "DATABASE_URL": "host=h dbname=geheim",
        "REDIS_URL": "redis://geheim",
        "SMTP_URL": "smtp://u:geheim@host",
    }
    secrets |= dict.fromkeys(("SHOPIFY_API_SECRET", "METRICS_TOKEN"), "geheim")
    secrets |= {"SECRET_KEYS": f"geheim:{KEY}", "HEARTBEAT_URL": "https://hc.example.com/geheim"}

    assert "geheim" not in repr(configured(secrets))


@pytest.mark.parametrize("program", ["manage.py", "scheduler.py", "-mapp"])
def test_an_invalid_variable_ends_every_program_with_a_message(program):
    command = [program, "migrate"] if program == "manage.py" else [program]

    done = run(*command, PORT="http")

    assert (done.returncode, done.stderr) == (1, "PORT must be a number, not 'http'.\n")


SAFE = {
    "DEVELOPMENT": "",
    "APP_URL": "https://app.example.com",
    "APP_BRIDGE_URL": "",
    "SHOPIFY_ADMIN_URL": "",
    "SHOPIFY_FRAMES": "",
    "SHOPIFY_ORIGIN": "",
    "ENGAGE_ORIGIN": "",
}


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("SECRET_KEYS", "", "SECRET_KEYS is empty; make one: python manage.py new-key"),
        ("SHOPIFY_API_KEY", "", "SHOPIFY_API_KEY is empty."),
        ("SHOPIFY_API_SECRET", "", "SHOPIFY_API_SECRET is empty."),
        ("SHOPIFY_API_SECRET", ",", "SHOPIFY_API_SECRET is empty."),
        ("APP_URL", "http://app.example.com", "APP_URL must begin with https://"),
        ("APP_URL", "", "APP_URL must begin with https://"),
        ("SHOPIFY_ORIGIN", "http://127.0.0.1:1/{shop}", "SHOPIFY_ORIGIN must begin with https://"),
        ("ENGAGE_ORIGIN", "http://{tenant}.example.com", "ENGAGE_ORIGIN must begin with https://"),
        ("APP_BRIDGE_URL", "http://a.example/bridge.js", "APP_BRIDGE_URL must begin with https://"),
        ("SHOPIFY_ADMIN_URL", "http://a.example/{store}/{app}", "SHOPIFY_ADMIN_URL must begin with https://"),
        ("SHOPIFY_FRAMES", "https://{shop} https://*.example.com", "SHOPIFY_FRAMES must be https:// origins"),
    ],
)
def test_what_cannot_be_safe_does_not_start(variable, value, sentence):
    done = run("-mapp", **(SAFE | {variable: value}))

    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert done.stderr.endswith("For development on your own machine, DEVELOPMENT=1 starts all the same.\n")


@pytest.mark.parametrize("program", ["scheduler.py", "-mdramatiq actors --processes 1 --threads 1"])
def test_no_process_starts_where_it_cannot_be_safe(program, database):
    done = run(*program.split(), **(SAFE | {"SHOPIFY_API_SECRET": ""}))

    assert done.returncode != 0
    assert "SHOPIFY_API_SECRET is empty.\n" in done.stderr


def test_what_is_safe_starts_without_the_switch():
    assert run("-mapp", **SAFE).returncode == 0


@pytest.mark.parametrize("program", ["scheduler.py", "-mapp", "-mdramatiq actors --processes 1 --threads 1"])
def test_without_keys_no_process_starts(program, database):
    done = run(*program.split(), SECRET_KEYS="")

    assert done.returncode != 0
    assert "SECRET_KEYS is empty; make one: python manage.py new-key\n" in done.stderr


@pytest.mark.parametrize(
    ("verify", "url", "redis_address"),
    [
        ("1", "rediss://host:6379", "rediss://host:6379"),
        ("0", "rediss://host:6379", "rediss://host:6379?ssl_cert_reqs=none"),
        ("0", "rediss://host:6379/0?db=1", "rediss://host:6379/0?db=1&ssl_cert_reqs=none"),
        ("0", "redis://host:6379", "redis://host:6379"),
        ("0", "", ""),
    ],
)
def test_a_self_signed_certificate_needs_redis_verify_off(verify, url, redis_address):
    assert configured({"REDIS_URL": url, "REDIS_VERIFY": verify}).redis_address == redis_address


def test_redis_py_understands_the_address():
    found = configured({"REDIS_URL": "rediss://host:6379", "REDIS_VERIFY": "0"}).redis_address

    assert redis.Redis.from_url(found).connection_pool.connection_kwargs["ssl_cert_reqs"] == "none"
