"""The operator's commands: `python manage.py --help`."""

from __future__ import annotations

import argparse
import os
import re
import zoneinfo
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

from addresses import email_address

# The app's only import of the sandbox: `where`, and the embedded servers where DATABASE_URL or REDIS_URL is unset. Its
# own imports are the standard library and psycopg, so `manage.py migrate` needs no development package in production.
from sandbox import dev_servers

LINK_VALID = timedelta(minutes=30)


def migrate(_: argparse.Namespace) -> None:
    """Bring the database's schema up to date."""
    import schema
    from config import config

    applied = schema.migrate()
    print("\n".join(applied) if applied else "The schema is up to date.")
    if not schema.is_member(config.database_role):
        print(f"There is no role {config.database_role} to act as; the tables' owner is bound by their policies alone.")


def check(arguments: argparse.Namespace) -> None:
    """Try everything that the app needs, and print what works, what is wrong and what to do."""
    from checks.run import run_checks

    all_well = True
    for finding in run_checks(arguments.shop):
        print(finding, flush=True)
        all_well = all_well and finding.ok
    raise SystemExit(0 if all_well else 1)


def connect(arguments: argparse.Namespace) -> None:
    """Create or update a shop and its Engage tenant."""
    from actors.settings import enqueue_first_sync
    from sync import shop_connections

    shop = shop_connections.connect_shop(
        domain=arguments.shop,
        shopify_token=arguments.shopify_token,
        engage_key=arguments.engage_key,
        email=arguments.email,
        currency=arguments.currency,
        timezone=arguments.timezone,
        engage_tenant=arguments.engage_tenant,
        store=arguments.store,
    )
    enqueue_first_sync(shop)
    print(f"{shop.domain} is connected to Engage's {shop.engage_tenant}.")


def sign_in(arguments: argparse.Namespace) -> None:
    """Print a link that opens the shop's pages once, within half an hour."""
    from config import config
    from models import Shop
    from views.account import sign_in_links

    shop = Shop.get_or_none(Shop.domain == arguments.shop)
    if shop is None:
        raise SystemExit(f"There is no shop {arguments.shop}; connect it first.")
    name = vars(arguments)["for"] or "operator"
    print(f"{config.app_url}/sign-in?token={sign_in_links.issue(shop, LINK_VALID, name)}")


def sweep(_: argparse.Namespace) -> None:
    """Publish due tasks and take back those of lost workers, once."""
    import actors  # noqa: F401 - the table of task types
    from taskqueue.sweeper import sweep

    print(f"Tasks published: {sweep()}")


def where(_: argparse.Namespace) -> None:
    """Print the folder that holds the development servers' data."""
    print(dev_servers.data_folder())


def recount(_: argparse.Namespace) -> None:
    """Compare the totals with the tasks, and mend them where they differ."""
    from tasklog import totals

    for shop, number, state, counted, kept in totals.recount():
        print(f"shop {shop}, type {number}, state {state}: {kept} were kept, {counted} are there")


def fill(arguments: argparse.Namespace) -> None:
    """Add invented shops with a year of tasks, for demos and measurements."""
    import actors  # noqa: F401 - the table of task types
    from demo_history import shops
    from demo_history.filling import fill as fill_history

    try:
        shops.check_shops(allow_real_shops=arguments.yes)
    except shops.RealShopError as error:
        raise SystemExit(str(error)) from None
    fill_history(arguments.tasks, arguments.shops, partial(_progress, arguments.tasks))


def _progress(wanted: int, done: int, seconds: float) -> None:
    left = (wanted - done) * seconds / done
    print(f"{done:,} of {wanted:,} tasks, {done / seconds:,.0f} a second, {left / 60:.1f} minutes left", flush=True)


def check_alerts(arguments: argparse.Namespace) -> None:
    """Print how every alert rule stands as of an instant, and why. It only explains: nothing fires."""
    import actors  # noqa: F401 - the table of task types
    from alerts import jobs
    from models import utcnow

    now = arguments.now or utcnow()
    print(f"As of {now:%Y-%m-%d %H:%M:%S} UTC")
    for domain, rule, state, why in jobs.evaluate_rules(now, arguments.shop):
        print(f"{domain}  {rule}  {state}  {why}")


def rotate_secrets(_: argparse.Namespace) -> None:
    """Wrap every shop's key by the first of SECRET_KEYS, so that the others can be removed."""
    from privacy.key_rotation import rotate

    left = rotate(lambda done, total: print(f"{done:,} of {total:,} shops", flush=True))
    if left:
        raise SystemExit("Not all can be removed yet:\n" + "\n".join(f"shop {shop}: {why}" for shop, why in left))
    print("Every shop's key is wrapped by the first of SECRET_KEYS; the others can be removed.")


def shopify_app(_: argparse.Namespace) -> None:
    """Print shopify.app.toml for this deployment, to be released by `shopify app deploy`."""
    import actors  # noqa: F401 - the table of task types
    from shopify_app_config import generate

    print(generate(), end="")


def new_key(_: argparse.Namespace) -> None:
    """Print a fresh entry for SECRET_KEYS."""
    import encryption

    print(encryption.new_keyring_entry("k1"))


def _one_of(known: Callable[[], set[str]], wanted: str, text: str) -> str:
    if text not in known():
        raise argparse.ArgumentTypeError(f"must be {wanted}, not {text!r}")
    return text


def _like(pattern: str, wanted: str, text: str) -> str:
    if not re.fullmatch(pattern, text):
        raise argparse.ArgumentTypeError(f"must be {wanted}, not {text!r}")
    return text


def _whole(most: int, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,12}", text) or not 1 <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {most:,}, not {text!r}")
    return int(text)


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be an instant such as 2026-11-24T12:00, not {text!r}") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _secret(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise argparse.ArgumentTypeError("must be given, without spaces or line breaks")
    return text


def _email(text: str) -> str:
    try:
        return email_address(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be one e-mail address, not {text!r}") from None


SHOP = partial(_like, r"[a-z0-9][a-z0-9-]*\.myshopify\.com", "a shop's own name such as demo.myshopify.com")
TENANT = partial(_like, r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.staging)?", "a tenant's name such as demo or demo.staging")
Option = Callable[[str], str | int | datetime]
OPTIONS: dict[str, dict[str, Option]] = {
    "connect": {
        "shop": SHOP,
        "email": _email,
        "currency": partial(_like, r"[A-Z]{3}", "three letters as in ISO 4217, such as SEK"),
        "timezone": partial(_one_of, zoneinfo.available_timezones, "a zone of the IANA list such as Europe/Stockholm"),
        "shopify-token": _secret,
        "engage-tenant": TENANT,
        "engage-key": _secret,
        "store": partial(_like, r"\S(.*\S)?", "the name of a store in Engage such as SE-WEB"),
    },
    "sign-in": {"shop": SHOP},
    "fill": {"tasks": partial(_whole, 100_000_000), "shops": partial(_whole, 999)},
}
OPTIONAL: dict[str, dict[str, Option]] = {
    "check": {"shop": SHOP},
    "sign-in": {"for": partial(_like, r"\S(.{0,58}\S)?", "a name of at most 60 letters")},
    "check-alerts": {"shop": SHOP, "now": _instant},
}
HELP = {
    "for": "whom the link is for, as the pages then say who did what; without it: operator",
    "email": "where alerts go until Shopify's own e-mail address of the shop is read, which replaces it",
    "now": "as of this instant, such as 2026-12-01T09:00:00Z, and not of now; it explains and does not fire",
}
FLAGS = {"fill": {"yes": "also where there are real shops; those are left alone"}}
COMMANDS = {
    "migrate": migrate,
    "check": check,
    "connect": connect,
    "sign-in": sign_in,
    "sweep": sweep,
    "where": where,
    "recount": recount,
    "fill": fill,
    "new-key": new_key,
    "rotate-secrets": rotate_secrets,
    "check-alerts": check_alerts,
    "shopify-app": shopify_app,
}
WITHOUT_DATABASE = ("where", "new-key", "shopify-app")
CONNECTING = ("check",)  # connects by itself, and says what is wrong with the connection


def parser() -> argparse.ArgumentParser:
    commands = argparse.ArgumentParser(prog="manage.py", description=__doc__)
    subcommands = commands.add_subparsers(required=True, metavar="COMMAND")
    for name, function in COMMANDS.items():
        command = subcommands.add_parser(name, help=function.__doc__, description=function.__doc__)
        command.set_defaults(run=function)
        for option, check in OPTIONS.get(name, {}).items():
            command.add_argument(f"--{option}", required=True, type=check, help=HELP.get(option))
        for option, check in OPTIONAL.get(name, {}).items():
            command.add_argument(f"--{option}", type=check, help=HELP.get(option))
        for flag, about in FLAGS.get(name, {}).items():
            command.add_argument(f"--{flag}", action="store_true", help=about)
    return commands


def main() -> None:
    arguments = parser().parse_args()
    if arguments.run in [COMMANDS[name] for name in WITHOUT_DATABASE]:
        arguments.run(arguments)
        return
    with dev_servers.use_development_servers(os.environ):
        if arguments.run in [COMMANDS[name] for name in CONNECTING]:
            arguments.run(arguments)
        else:
            _with_database(arguments)


def _with_database(arguments: argparse.Namespace) -> None:
    """Import our modules only here: they read the environment, which has to be complete."""
    from peewee import PeeweeException, ProgrammingError

    from config import Misconfigured
    from database import EVERY, connected

    try:
        with connected(EVERY):
            arguments.run(arguments)
    except Misconfigured as error:
        raise SystemExit(str(error)) from None
    except ProgrammingError as error:
        raise SystemExit(
            f"The schema is not up to date; run: python manage.py migrate ({_first_line(error)})"
        ) from None
    except PeeweeException as error:
        raise SystemExit(f"The database could not do it: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return str(error.args[0] if error.args else error).split("\n")[0]


if __name__ == "__main__":
    main()
