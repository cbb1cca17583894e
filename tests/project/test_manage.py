"""The operator's commands, each as a process of its own."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from database import db
from encryption import parse_keyring
from manage import COMMANDS
from models import Customer, Shop, Task, utcnow
from sandbox import dev_servers
from tasklog import totals
from taskqueue.broker import broker
from taskqueue.types import NUMBERS, TYPES
from tests.conftest import free_port
from tests.support.servers.processes import empty_database, printed, run
from views.account import sign_in_links

__all__ = ["empty_database"]

NEW_SHOP = {
    "shop": "new-shop.myshopify.com",
    "email": "owner@example.com",
    "currency": "EUR",
    "timezone": "Europe/Berlin",
    "shopify-token": "shpat_1",
    "engage-tenant": "brand.staging",
    "engage-key": "key-1",
    "store": "DE-WEB",
}


def connect(**changed: str):
    options = NEW_SHOP | {name.replace("_", "-"): value for name, value in changed.items()}
    return run("manage.py", "connect", *[part for name, value in options.items() for part in (f"--{name}", value)])


def message_of(done) -> str:
    """The last line of what a failed command says; never a traceback."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_help_lists_every_command():
    output = printed("manage.py", "--help")

    assert all(re.search(rf"^    {name}\s+[A-Z].+", output, re.M) for name in COMMANDS)


@pytest.mark.parametrize("command", [[], ["nonsense"], ["connect"], ["sign-in"], ["migrate", "--now"]])
def test_an_unknown_command_prints_the_usage(command):
    done = run("manage.py", *command)

    assert done.returncode == 2
    assert done.stderr.startswith("usage: manage.py")


def test_connect_creates_a_shop(database):
    done = connect()

    assert done.stdout == "new-shop.myshopify.com is connected to Engage's brand.staging.\n"
    shop = Shop.get()
    assert (shop.domain, shop.email, shop.currency) == ("new-shop.myshopify.com", "owner@example.com", "EUR")
    assert (shop.timezone, shop.engage_tenant, shop.store) == ("Europe/Berlin", "brand.staging", "DE-WEB")
    assert (shop.secret("shopify_token"), shop.secret("engage_key")) == ("shpat_1", "key-1")


def test_an_address_with_an_international_domain_is_stored_in_ascii(database):
    connect(email="owner@bücher.example")

    assert Shop.get().email == "owner@xn--bcher-kva.example"


def test_connecting_again_updates_the_shop(database):
    connect()
    first = Shop.get()
    Shop.update(active=False, paused_until=utcnow(), pause_reason="x", failures=4).execute()

    connect(email="other@example.com", engage_key="key-2", currency="NOK")

    shop = Shop.get()
    assert (shop.id, shop.key, shop.created_at) == (first.id, first.key, first.created_at)
    assert (shop.email, shop.currency, shop.secret("engage_key")) == ("other@example.com", "NOK", "key-2")
    assert (shop.active, shop.paused_until, shop.failures) == (True, None, 0)


def test_connecting_syncs_the_shop_and_its_stores_at_once(database):
    connect()

    assert {NUMBERS[task.type].name for task in Task.select()} == {"IndexStores", "SyncShopCurrency"}


def test_connecting_another_tenant_forgets_the_contacts(database):
    connect()
    Customer.create(
        shop=Shop.get(), shopify_id=1, updated_at=utcnow(), sealed_snapshot=b"", contact_id="c", contact_type="Member"
    )

    connect(email="other@example.com")
    assert Customer.get().contact_id == "c"
    connect(engage_tenant="another")
    assert Customer.get().contact_id is None


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("shop", "demo", "a shop's own name such as demo.myshopify.com, not 'demo'"),
        ("shop", "Demo.myshopify.com", "a shop's own name"),
        ("shop", "https://demo.myshopify.com", "a shop's own name"),
        ("shop", "demo.myshopify.com\n", "a shop's own name"),
        ("shop", "demo.myshopify.com.evil.com", "a shop's own name"),
        ("email", "owner.example.com", "one e-mail address, not 'owner.example.com'"),
        ("email", "å@b.com", "one e-mail address"),
        ("email", "a@b..com", "one e-mail address"),
        ("email", "a@b.com,c@d.com", "one e-mail address"),
        ("email", "a@b.com\nBcc: c@d.com", "one e-mail address"),
        ("currency", "kr", "three letters as in ISO 4217, such as SEK, not 'kr'"),
        ("currency", "sek", "three letters"),
        ("timezone", "Stockholm", "a zone of the IANA list such as Europe/Stockholm, not 'Stockholm'"),
        ("timezone", "../../etc/passwd", "a zone of the IANA list"),
        ("timezone", "Europe", "a zone of the IANA list"),
        ("timezone", "", "a zone of the IANA list"),
        ("engage-tenant", "demo.evil.com", "a tenant's name such as demo or demo.staging, not 'demo.evil.com'"),
        ("engage-tenant", "demo.voyado.com/?", "a tenant's name"),
        ("engage-tenant", "Demo", "a tenant's name"),
        ("engage-tenant", "demo.staging\n", "a tenant's name"),
        ("engage-tenant", "-demo", "a tenant's name"),
        ("shopify-token", "", "must be given, without spaces or line breaks"),
        ("engage-key", "key\r\nX: y", "must be given, without spaces or line breaks"),
        ("store", " ", "the name of a store in Engage such as SE-WEB"),
    ],
)
def test_connect_refuses_an_invalid_value(name, value, sentence, database, in_process):
    message = in_process(name, value)

    assert message.startswith(f"argument --{name}: must be ")
    assert sentence in message
    assert not Shop.select().exists()


@pytest.fixture
def in_process(capsys):
    """What `connect` says to one wrong option. Without the cost of a process for each."""
    from manage import parser

    def refused(name: str, value: str) -> str:
        options = NEW_SHOP | {name: value}
        with pytest.raises(SystemExit) as ended:
            parser().parse_args(["connect", *[f"--{option}={given}" for option, given in options.items()]])
        assert ended.value.code == 2
        return capsys.readouterr().err.partition("manage.py connect: error: ")[2]

    return refused


def test_a_refused_secret_is_not_repeated(database):
    message = message_of(connect(engage_key="ge heim"))

    assert message.endswith("argument --engage-key: must be given, without spaces or line breaks")


def test_without_keys_connect_says_how_to_make_one(database):
    done = run("manage.py", "connect", *[f"--{name}={value}" for name, value in NEW_SHOP.items()], SECRET_KEYS="")

    assert message_of(done) == "SECRET_KEYS is empty; make one: python manage.py new-key"


def test_the_sign_in_link_opens_its_shop_once(shop, anonymous):
    link = urlsplit(printed("manage.py", "sign-in", "--shop", shop.domain))

    assert f"{link.scheme}://{link.netloc}{link.path}" == "http://testserver/sign-in"
    (token,) = parse_qs(link.query)["token"]
    assert anonymous.post("/sign-in", data={"token": token}).status_code == 303
    assert sign_in_links.redeem(token) is None


def test_an_unknown_shop_is_refused_with_a_message(database):
    done = run("manage.py", "sign-in", "--shop", "stranger.myshopify.com")

    assert (done.returncode, done.stdout) == (1, "")
    assert message_of(done) == "There is no shop stranger.myshopify.com; connect it first."


def test_migrate_twice_does_nothing_the_second_time(empty_database):
    first, second = [printed("manage.py", "migrate", DATABASE_URL=empty_database) for _ in range(2)]

    assert first.splitlines() == sorted(path.stem for path in (dev_servers.CHECKOUT / "migrations").glob("0*.py"))
    assert second == "The schema is up to date."


@pytest.mark.parametrize("command", [["sign-in", "--shop", "a.myshopify.com"], ["sweep"], ["recount"]])
def test_without_the_schema_a_command_names_migrate(command, empty_database):
    done = run("manage.py", *command, DATABASE_URL=empty_database)

    assert message_of(done).startswith("The schema is not up to date; run: python manage.py migrate (")


@pytest.mark.parametrize("command", [["migrate"], ["sign-in", "--shop", "a.myshopify.com"], ["sweep"], ["recount"]])
def test_without_the_database_a_command_ends_with_a_message(command):
    done = run("manage.py", *command, DATABASE_URL=f"postgresql://u:geheim@127.0.0.1:{free_port()}/none")

    assert message_of(done).startswith("The database could not do it: ")
    assert "geheim" not in done.stderr


def test_sweep_publishes_due_tasks(shop):
    task_type = TYPES["OrderWebhook"]
    task_type.enqueue(shop, key="1")
    Task.update(published_at=None).execute()
    broker.flush_all()

    assert printed("manage.py", "sweep") == "Tasks published: 1"
    assert broker.queue_length("live") == 1


def test_sweep_without_redis_is_no_failure(shop):
    done = run("manage.py", "sweep", REDIS_URL=f"redis://127.0.0.1:{free_port()}")

    assert (done.returncode, done.stdout) == (0, "Tasks published: 0\n")


def test_recount_corrects_wrong_totals(shop):
    TYPES["OrderWebhook"].enqueue(shop, key="1")
    totals.fold()
    db.execute_sql("UPDATE task_total SET count = 5")
    assert totals.drift()

    assert printed("manage.py", "recount") == f"shop {shop.id}, type 21, state 0: 5 were kept, 1 are there"
    assert totals.drift() == []
    assert printed("manage.py", "recount") == ""


def test_where_prints_the_data_folder():
    assert printed("manage.py", "where", DATABASE_URL="nonsense") == str(dev_servers.data_folder())


def test_a_new_key_is_a_valid_secret_key(empty_database):
    entry = printed("manage.py", "new-key", SECRET_KEYS="")
    printed("manage.py", "migrate", DATABASE_URL=empty_database, SECRET_KEYS=entry)

    options = [f"--{name}={value}" for name, value in NEW_SHOP.items()]
    printed("manage.py", "connect", *options, DATABASE_URL=empty_database, SECRET_KEYS=entry)

    assert list(parse_keyring(entry)) == ["k1"]


def test_the_development_servers_can_be_imported_in_production():
    """`manage.py` imports them, and production has no development packages."""
    statements = ast.parse(Path(dev_servers.__file__).read_text()).body
    modules = {each.module for each in statements if isinstance(each, ast.ImportFrom)}
    modules |= {alias.name for each in statements if isinstance(each, ast.Import) for alias in each.names}

    assert {str(name).partition(".")[0] for name in modules} - sys.stdlib_module_names == {"psycopg"}
