"""Members of a shop and their permissions: find, register and list them, and set what they may do."""

from __future__ import annotations

from datetime import timedelta

from database import db
from models import EVERYTHING, Member, Permission, Shop, utcnow

SEEN_INTERVAL = timedelta(hours=1)  # so that not every request writes


def find(shop: Shop, user_id: str) -> Member | None:
    """The member with this id at Shopify, or None before they open the app for the first time."""
    return Member.get_or_none((Member.shop == shop) & (Member.user_id == user_id))


def of_shop(shop: Shop) -> list[Member]:
    """All members of the shop, in the order in which they first opened the app."""
    found = list(Member.select().where(Member.shop == shop).order_by(Member.id))
    for each in found:
        each.shop = shop  # else peewee queries it again for each
    return found


def names(shop: Shop) -> dict[str, str]:
    """The names of the shop's members, by their id at Shopify."""
    return {each.user_id: each.display_name for each in of_shop(shop)}


def register(shop: Shop, user_id: str, name: str, *, owner: bool) -> Member:
    """Add a member. The first one has every permission, and so has the owner of the shop's account."""
    with db.atomic():
        Shop.select(Shop.id).where(Shop.id == shop.id).for_update().execute()
        first = not Member.select().where(Member.shop == shop).exists()
        row = Member(shop=shop, user_id=user_id, owner=owner, allowed=sorted(EVERYTHING) if first or owner else [])
        row.name = shop.vault.seal(name.encode(), "member", "name", row.id) if name else None
        Member.insert(**row.__data__).on_conflict_ignore().execute()
    return Member.get((Member.shop == shop) & (Member.user_id == user_id))


def mark_seen(member: Member) -> None:
    """Save that the member opens the app, at most once an hour."""
    if utcnow() - member.last_seen_at > SEEN_INTERVAL:
        Member.update(last_seen_at=utcnow()).where(Member.id == member.id).execute()


def set_permissions(member: Member, permissions: frozenset[Permission]) -> None:
    """Give the member exactly these permissions. The owner keeps every one, whatever is chosen."""
    Member.update(allowed=sorted(permissions)).where(Member.id == member.id).execute()
