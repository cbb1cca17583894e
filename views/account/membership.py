"""views.account.membership."""

from __future__ import annotations

from datetime import timedelta

from database import db
from models import EVERYTHING, Member, Permission, Shop, utcnow

SEEN_AGAIN = timedelta(hours=1)


def find(shop: Shop, user_id: str) -> Member | None:
    """Who has this id, if they have opened the app before."""
    return Member.get_or_none((Member.shop == shop) & (Member.user_id == user_id))


def of_shop(shop: Shop) -> list[Member]:
    """All of them, in the order in which they came."""
    found = list(Member.select().where(Member.shop == shop).order_by(Member.id))
    for each in found:
        each.shop = shop
    return found


def names(shop: Shop) -> dict[str, str]:
    """What the shop's people are called, by their id at Shopify."""
    return {each.user_id: each.display_name for each in of_shop(shop)}


def register(shop: Shop, user_id: str, name: str, *, owner: bool) -> Member:
    """Whoever opens the app first may do everything, and so may the owner of the shop's account."""
    with db.atomic():
        Shop.select(Shop.id).where(Shop.id == shop.id).for_update().execute()
        first = not Member.select().where(Member.shop == shop).exists()
        row = Member(shop=shop, user_id=user_id, owner=owner, allowed=sorted(EVERYTHING) if first or owner else [])
        row.name = shop.vault.seal(name.encode(), "member", "name", row.id) if name else None
        Member.insert(**row.__data__).on_conflict_ignore().execute()
    return Member.get((Member.shop == shop) & (Member.user_id == user_id))


def mark_seen(member: Member) -> None:
    """They have opened the app, which is written down once an hour."""
    if utcnow() - member.last_seen_at > SEEN_AGAIN:
        Member.update(last_seen_at=utcnow()).where(Member.id == member.id).execute()


def set_permissions(member: Member, wanted: frozenset[Permission]) -> None:
    """From now on exactly this. The owner may do everything, whatever is chosen."""
    Member.update(allowed=sorted(wanted)).where(Member.id == member.id).execute()
