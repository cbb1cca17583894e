"""Rotate the wrapping key: wrap every shop's key by the first of SECRET_KEYS (`manage.py rotate-secrets`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from database import db
from encryption import Unreadable, rewrap, wrapping_key_name
from models import BrowserSession

BATCH = 100  # shops between two reports of progress

ReportProgress = Callable[[int, int], None]


def rotate(report: ReportProgress) -> list[tuple[int, str]]:
    """Wrap each shop's key by the first of SECRET_KEYS. Calls `report` with the number of shops done and of all shops.

    Every session that a sign-in link has opened ends. The keys themselves stay, so nothing is encrypted anew, and
    processes that have them in memory go on.
    Returns the ids of shops whose key is still wrapped by another, each with the reason.
    """
    done = 0
    for batch in _batches():
        for shop_id, key in batch:
            with suppress(Unreadable):
                _rewrap(shop_id, key)
        done += len(batch)
        report(done, max(done, _count()))
    BrowserSession.delete().execute()  # whoever has a former key could sign their cookies
    return [(shop_id, _why(key)) for shop_id, key in _shops_with_other_keys()]


def _batches() -> Iterator[list[tuple[int, bytes]]]:
    after = 0
    while found := _read("id > %s ORDER BY id LIMIT %s", after, BATCH):
        yield found
        after = found[-1][0]


def _rewrap(shop_id: int, key: bytes) -> None:
    """Replace only the key that was read: one that is deleted meanwhile, by erasure, stays deleted."""
    if key and (new := rewrap(key)):
        db.execute_sql("UPDATE shop SET key = %s WHERE id = %s AND key = %s", (new, shop_id, key))


def _shops_with_other_keys() -> list[tuple[int, bytes]]:
    mine = wrapping_key_name() + b":"
    return _read("length(key) > 0 AND substring(key FOR %s) <> %s ORDER BY id", len(mine), mine)


def _why(key: bytes) -> str:
    try:
        rewrap(key)
    except Unreadable as error:
        return str(error)
    return "It was changed meanwhile, by a process that knows other keys; restart those and run this again."


def _read(which: str, *values: object) -> list[tuple[int, bytes]]:
    rows = db.execute_sql(f"SELECT id, key FROM shop WHERE {which}", values).fetchall()  # noqa: S608
    return [(shop_id, bytes(key)) for shop_id, key in rows]


def _count() -> int:
    return int(db.execute_sql("SELECT count(*) FROM shop").fetchone()[0])
