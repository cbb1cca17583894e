"""Shops, their secrets, and the links that open them."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from peewee import AutoField, BlobField, BooleanField, ForeignKeyField, IntegerField, JSONField, TextField
from playhouse.postgres_ext import DateTimeTZField

from clients.shopify_grant import Grant
from database import db
from models.table import NOW, Table, hashed, utcnow
from vault import Vault, new_key


@lru_cache(maxsize=4096)
def _vault(shop_id: int, wrapped_key: bytes) -> Vault:
    return Vault(shop_id, wrapped_key)


class Shop(Table):
    """A merchant's Shopify shop and the Engage tenant that it syncs with."""

    id = AutoField()
    domain = TextField(unique=True)
    email = TextField()
    currency = TextField()
    timezone = TextField()
    active = BooleanField(default=True)
    key = BlobField()
    shopify_token = BlobField(null=True)
    engage_tenant = TextField()
    engage_key = BlobField(null=True)
    store = TextField()
    settings = JSONField(default=dict)
    failures = IntegerField(default=0)
    paused_until = DateTimeTZField(null=True)
    pause_reason = TextField(null=True)
    created_at = DateTimeTZField(default=utcnow)
    name = TextField(default="")
    plan = TextField(default="")
    connected_at = DateTimeTZField(default=utcnow)
    shopify_token_until = DateTimeTZField(null=True)
    shopify_refresh = BlobField(null=True)
    shopify_refresh_until = DateTimeTZField(null=True)
    scopes = TextField(default="")

    @classmethod
    def install(cls, domain: str, grant: Grant) -> Shop:
        """The shop that has just been given this app, or has it still, with the tokens. Engage is connected later."""
        unknown = dict.fromkeys(("email", "currency", "engage_tenant", "store"), "") | {"timezone": "UTC"}
        with db.atomic():
            cls.insert(domain=domain, key=new_key(), **unknown).on_conflict_ignore().execute()
            shop: Shop = cls.select().where(cls.domain == domain).for_update().get()
            if not shop.active:
                shop.connected_at = utcnow()
            shop.active = True
            shop.hold(grant)
        return shop

    def hold(self, grant: Grant) -> None:
        """Keep what Shopify has granted, in place of what it granted before."""
        now = utcnow()
        self.shopify_token = self.seal("shopify_token", grant.token)
        self.shopify_token_until = now + grant.lives if grant.lives else None
        self.shopify_refresh = self.seal("shopify_refresh", grant.refresh) if grant.refresh else None
        self.shopify_refresh_until = now + grant.refresh_lives if grant.refresh_lives else None
        self.scopes = grant.scopes or self.scopes
        self.save(only=HELD)

    def ends_within(self, wait: timedelta) -> bool:
        """Whether the token is over by then, or missing."""
        until = self.shopify_token_until
        return self.shopify_token is None or (until is not None and until - utcnow() <= wait)

    def forget_refresh(self) -> None:
        """Shopify does not renew the token any more: only its staff can help, by opening the app."""
        Shop.update(shopify_refresh=None, shopify_refresh_until=None).where(Shop.id == self.id).execute()

    @property
    def joined(self) -> bool:
        """Whether it is connected to a tenant of Engage's."""
        return bool(self.engage_tenant and self.engage_key)

    def join(self, tenant: str, key: str) -> None:
        """Connect it to a tenant of Engage's, or give it another key there."""
        with db.atomic():
            row: Shop = Shop.select().where(Shop.id == self.id).for_update().get()
            if row.engage_tenant != tenant:
                row.forget_tenant()
            row.engage_tenant, row.engage_key = tenant, row.seal("engage_key", key)
            row.failures, row.paused_until, row.pause_reason = 0, None, None
            row.save(only=JOINED)
        self.engage_tenant, self.engage_key = row.engage_tenant, row.engage_key

    @classmethod
    def connect(cls, domain: str, shopify_token: str, engage_key: str, **fields: str) -> Shop:
        """Create or update a shop with its two secrets. Running tasks see the new values at their next attempt."""
        with db.atomic():
            shop, _ = cls.get_or_create(domain=domain, defaults={**fields, "key": new_key()})
            if not shop.active:  # it comes back; what happened meanwhile is not polled for
                shop.connected_at = utcnow()
            if shop.engage_tenant != fields["engage_tenant"]:
                shop.forget_tenant()
            shop.shopify_token = shop.seal("shopify_token", shopify_token)
            shop.shopify_token_until = shop.shopify_refresh = shop.shopify_refresh_until = None
            shop.engage_key = shop.seal("engage_key", engage_key)
            for name, value in fields.items():
                setattr(shop, name, value)
            shop.active, shop.failures, shop.paused_until, shop.pause_reason = True, 0, None, None
            shop.save(only=[each for each in cls._meta.sorted_fields if each is not cls.key])  # it may be rewrapped now
        return shop

    def forget_tenant(self) -> None:
        """What another tenant has is not in this one: every customer is looked up there anew, and nothing is sold."""
        for forget in (
            "UPDATE customer SET contact_id = NULL, contact_type = NULL, sent = NULL WHERE shop_id = %s",
            "UPDATE orders SET receipt_id = NULL, receipt_at = NULL WHERE shop_id = %s",
            "DELETE FROM receipt WHERE shop_id = %s",
        ):
            db.execute_sql(forget, (self.id,))

    @classmethod
    def named(cls, domains: Iterable[str]) -> dict[str, Shop]:
        """The shops with these domains, by domain, with nothing but what a webhook needs: the id and the key."""
        found = db.execute_sql("SELECT id, domain, key FROM shop WHERE domain = ANY(%s)", (list(domains),)).fetchall()
        return {domain: cls(id=number, domain=domain, key=key) for number, domain, key in found}

    @property
    def zone(self) -> ZoneInfo:
        """The shop's own time, in which its days begin."""
        return ZoneInfo(self.timezone)

    @property
    def vault(self) -> Vault:
        return _vault(self.id, bytes(self.key))

    def seal(self, column: str, secret: str) -> bytes:
        return self.vault.seal(secret.encode(), "shop", column, self.id)

    def secret(self, column: str) -> str:
        """A secret of the shop in clear. Raises vault.Unreadable."""
        return self.vault.open(getattr(self, column), "shop", column, self.id).decode()

    def pause(self, reason: str, wait: timedelta) -> None:
        """Send nothing to Engage for a while; tasks stay Pending. The first call afterwards is a probe."""
        Shop.update(paused_until=NOW + wait, pause_reason=reason).where(Shop.id == self.id).execute()

    def count_failure(self, reason: str, *, at_most: int, wait: timedelta, longest: timedelta) -> None:
        """One more call in a row has failed; beyond `at_most` the shop pauses, twice as long for each failed probe.

        Calls that were under way when the pause began say nothing new.
        """
        probing = self.paused_until is not None
        db.execute_sql(
            """UPDATE shop SET failures = failures + 1,
                   paused_until = CASE WHEN failures + 1 >= %(most)s
                       THEN now() + least(%(wait)s * power(2, least(failures + 1 - %(most)s, 10)), %(longest)s) END,
                   pause_reason = CASE WHEN failures + 1 >= %(most)s THEN %(reason)s END
               WHERE id = %(id)s AND (paused_until IS NULL OR %(probe)s)""",
            {"most": at_most, "wait": wait, "longest": longest, "reason": reason, "id": self.id, "probe": probing},
        )

    def resume(self) -> None:
        """Engage has answered: nothing is paused any more."""
        if self.failures or self.paused_until:
            Shop.update(failures=0, paused_until=None, pause_reason=None).where(Shop.id == self.id).execute()

    def probe(self, wait: timedelta) -> bool:
        """Take the right to make the one call that finds out whether a paused shop's Engage is back."""
        over = Shop.paused_until.is_null(False) & (Shop.paused_until <= NOW)
        return bool(Shop.update(paused_until=NOW + wait).where((Shop.id == self.id) & over).execute())


HELD = [
    Shop.active,
    Shop.connected_at,
    Shop.shopify_token,
    Shop.shopify_token_until,
    Shop.shopify_refresh,
    Shop.shopify_refresh_until,
    Shop.scopes,
]
JOINED = [Shop.engage_tenant, Shop.engage_key, Shop.failures, Shop.paused_until, Shop.pause_reason]


class SignIn(Table):
    """A link that opens one shop once. Only the token's hash is kept."""

    token_hash = TextField(primary_key=True)
    shop = ForeignKeyField(Shop)
    expires_at = DateTimeTZField()

    @classmethod
    def issue(cls, shop: Shop, valid: timedelta) -> str:
        """A new token for the shop."""
        token = secrets.token_urlsafe(32)
        cls.create(token_hash=hashed(token), shop=shop, expires_at=utcnow() + valid)
        return token

    @classmethod
    def redeem(cls, token: str) -> int | None:
        """The shop that an unused token opens, or None. A token works once."""
        rows = cls.delete().where(cls.token_hash == hashed(token)).returning(cls.shop, cls.expires_at).execute()
        return next((row.shop_id for row in rows if row.expires_at > utcnow()), None)
