"""Members of a shop and their permissions: find, register and list them, and set what they may do."""

from __future__ import annotations

from datetime import timedelta

from database import db
from models import EVERYTHING, Member, Permission, Shop, utcnow

ASK_AGAIN = timedelta(minutes=1)
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
    """Add a member, or what Shopify tells now of one who had no name. The account's owner has every permission.

    Nobody else has any until somebody with the permission for settings gives it: who comes first says nothing.
    """
    row = Member(shop=shop, user_id=user_id, owner=owner, allowed=sorted(EVERYTHING) if owner else [])
    with db.atomic():
        Member.insert(**row.__data__).on_conflict_ignore().execute()
        found: Member = Member.select().where((Member.shop == shop) & (Member.user_id == user_id)).for_update().get()
        if name and not found.name:
            _identify(found, shop, name, owner=owner)
    return found


def _identify(member: Member, shop: Shop, name: str, *, owner: bool) -> None:
    member.name = shop.vault.seal(name.encode(), "member", "name", member.id)
    member.owner, member.allowed = owner, sorted(EVERYTHING) if owner else member.allowed
    member.save(only=[Member.name, Member.owner, Member.allowed])


def is_unknown(member: Member) -> bool:
    """Whether Shopify has not told yet who this is, and may be asked again: it could be the owner."""
    return not member.name and utcnow() - member.last_seen_at > ASK_AGAIN


def mark_seen(member: Member) -> None:
    """Save that the member opens the app, at most once an hour, or once a minute while nobody knows who it is."""
    if utcnow() - member.last_seen_at > (SEEN_INTERVAL if member.name else ASK_AGAIN):
        Member.update(last_seen_at=utcnow()).where(Member.id == member.id).execute()


def set_permissions(member: Member, permissions: frozenset[Permission]) -> None:
    """Give the member exactly these permissions. The owner keeps every one, whatever is chosen."""
    Member.update(allowed=sorted(permissions)).where(Member.id == member.id).execute()
