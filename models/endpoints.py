"""Where Engage's webhooks for a shop arrive, and the secrets that sign them."""

from __future__ import annotations

import secrets

import orjson
from peewee import BlobField, ForeignKeyField, TextField

from clients.svix_webhooks import is_secret
from config import config
from database import db
from models import Shop, Table
from models.table import hashed

SECRETS_KEPT = 2  # the new one and, while Svix signs with both, the one before


class Endpoint(Table):
    """A shop's own address for Engage's webhooks. The token in it cannot be guessed, and is found by its hash."""

    shop = ForeignKeyField(Shop, primary_key=True)
    token_hash = TextField(unique=True)
    token = BlobField()
    secrets = BlobField()

    shop_id: int  # what peewee makes of `shop`

    @classmethod
    def of(cls, shop: Shop) -> Endpoint:
        """The shop's address, which it gets when it is first asked for: Svix wants it before it shows a secret."""
        token = secrets.token_urlsafe(32)
        sealed = {"token": _sealed(shop, "token", token.encode()), "secrets": _sealed(shop, "secrets", b"[]")}
        cls.insert(shop=shop, token_hash=hashed(token), **sealed).on_conflict_ignore().execute()
        return cls.get(cls.shop == shop)

    @classmethod
    def named(cls, token: str) -> Endpoint | None:
        """The one of an active shop with this token, or None."""
        return cls.select(cls, Shop).join(Shop).where((cls.token_hash == hashed(token)) & Shop.active).first()

    def sign_with(self, secret: str) -> None:
        """Take webhooks signed with this secret, and still those with the one before. ValueError where it is none."""
        if not is_secret(secret):
            raise ValueError("A webhook secret of Engage's begins with whsec_.")
        with db.atomic():
            row = Endpoint.select().where(Endpoint.shop == self.shop).for_update().get()
            others = [known for known in row.signing_secrets if known != secret]
            self.secrets = _sealed(self.shop, "secrets", orjson.dumps([secret, *others][:SECRETS_KEPT]))
            self.save(only=[Endpoint.secrets])

    @property
    def signing_secrets(self) -> list[str]:
        found: list[str] = orjson.loads(self.shop.vault.open(self.secrets, "endpoint", "secrets", self.shop_id))
        return found

    @property
    def url(self) -> str:
        """What to enter in Svix's portal."""
        token = self.shop.vault.open(self.token, "endpoint", "token", self.shop_id).decode()
        return f"{config.app_url}/webhooks/engage/{token}"


def _sealed(shop: Shop, column: str, plain: bytes) -> bytes:
    return shop.vault.seal(plain, "endpoint", column, shop.id)
