"""The operator's commands: `python manage.py --help`."""

from __future__ import annotations

import argparse
import os
from datetime import timedelta

import services

LINK_VALID = timedelta(minutes=30)


def migrate(_: argparse.Namespace) -> None:
    """Bring the database's schema up to date."""
    import schema

    applied = schema.migrate()
    print("\n".join(applied) if applied else "The schema is up to date.")


def connect(arguments: argparse.Namespace) -> None:
    """Create or update a shop and its Engage tenant."""
    from models import Shop

    shop = Shop.connect(
        domain=arguments.shop,
        shopify_token=arguments.shopify_token,
        engage_key=arguments.engage_key,
        email=arguments.email,
        currency=arguments.currency,
        timezone=arguments.timezone,
        engage_tenant=arguments.engage_tenant,
        store=arguments.store,
    )
    print(f"{shop.domain} is connected to Engage's {shop.engage_tenant}.")


def sign_in(arguments: argparse.Namespace) -> None:
    """Print a link that opens the shop's pages once, within half an hour."""
    from config import config
    from models import Shop, SignIn

    shop = Shop.get_or_none(Shop.domain == arguments.shop)
    if shop is None:
        raise SystemExit(f"There is no shop {arguments.shop}; connect it first.")
    print(f"{config.app_url}/sign-in?token={SignIn.issue(shop, LINK_VALID)}")


def sweep(_: argparse.Namespace) -> None:
    """Ring for due tasks and give back what dead workers held, once."""
    import actors  # noqa: F401 - the table of task types
    from actors.sweep import sweep

    print(f"{sweep()} tasks were rung for.")


def where(_: argparse.Namespace) -> None:
    """Print the folder that holds the development servers' data."""
    print(services.data_folder())


def recount(_: argparse.Namespace) -> None:
    """Compare the totals with the tasks, and mend them where they differ."""
    import totals

    for shop, number, state, counted, kept in totals.recount():
        print(f"shop {shop}, type {number}, state {state}: {kept} were kept, {counted} are there")


def new_key(_: argparse.Namespace) -> None:
    """Print a fresh entry for SECRET_KEYS."""
    import vault

    print(vault.random_entry("k1"))


def parser() -> argparse.ArgumentParser:
    commands = argparse.ArgumentParser(prog="manage.py", description=__doc__)
    several = commands.add_subparsers(required=True, metavar="COMMAND")
    for name, function in COMMANDS.items():
        command = several.add_parser(name, help=function.__doc__, description=function.__doc__)
        command.set_defaults(run=function)
        for option in OPTIONS.get(name, ()):
            command.add_argument(f"--{option}", required=True)
    return commands


COMMANDS = {
    "migrate": migrate,
    "connect": connect,
    "sign-in": sign_in,
    "sweep": sweep,
    "where": where,
    "recount": recount,
    "new-key": new_key,
}
OPTIONS = {
    "connect": ("shop", "email", "currency", "timezone", "shopify-token", "engage-tenant", "engage-key", "store"),
    "sign-in": ("shop",),
}
WITHOUT_DATABASE = ("where", "new-key")


def main() -> None:
    arguments = parser().parse_args()
    if arguments.run in [COMMANDS[name] for name in WITHOUT_DATABASE]:
        arguments.run(arguments)
        return
    with services.joined(os.environ):
        from database import connected

        with connected():
            arguments.run(arguments)


if __name__ == "__main__":
    main()
