"""What people did: who, when, and to what. A row is written in the transaction of what it tells of."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from peewee import ForeignKeyField, JSONField, TextField, UUIDField
from playhouse.postgres_ext import DateTimeTZField

from database import db
from models.shop import Shop
from models.table import Table, new_id, utcnow


class Action(StrEnum):
    """What somebody did."""

    RETRY = "retry"
    RETRY_ALL = "retry_all"
    CANCEL = "cancel"
    RESEND = "resend"
    SAME = "same"
    REBUILD = "rebuild"
    DOWNLOAD = "download"
    IMPORT = "import"
    IMPORT_PAUSE = "import_pause"
    IMPORT_RESUME = "import_resume"
    IMPORT_CANCEL = "import_cancel"
    EXPORT = "export"
    REVEAL = "reveal"
    READ = "read"
    VIEW_SAVE = "view_save"
    VIEW_CHANGE = "view_change"
    VIEW_DELETE = "view_delete"
    VIEW_RESTORE = "view_restore"
    SETTINGS = "settings"
    ALERT_ACKNOWLEDGE = "alert_acknowledge"
    ALERT_SNOOZE = "alert_snooze"
    ALERT_WAKE = "alert_wake"
    ALERT_TEST = "alert_test"
    SUPPORT = "support"
    SUPPORT_END = "support_end"


class Audit(Table):
    """Something that somebody did in a shop. It names tasks, never people: those may have to be forgotten.

    `click` is the button as it was shown, so that a second press is no second action. `made_id` is the task that came
    of it, `who` is None for whoever has a sign-in link.
    """

    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop)
    at = DateTimeTZField(default=utcnow)
    who = TextField(null=True)
    action = TextField()
    click = UUIDField(default=new_id)
    task_id = UUIDField(null=True)
    made_id = UUIDField(null=True)
    batch_id = UUIDField(null=True)
    details = JSONField(default=dict)

    @classmethod
    def note(cls, shop: Shop, action: Action, who: str | None, **fields: Any) -> Self | None:
        """Write down what is being done, in the caller's transaction. None: this very click was carried out before.

        A second click waits here for the end of the first one's transaction.
        """
        if not db.in_transaction():
            raise RuntimeError("What is done and that it was done are one transaction.")
        row = cls(shop=shop, action=action, who=who, **fields)
        noted = (
            cls.insert(**row.__data__)
            .on_conflict(conflict_target=(cls.shop, cls.click, cls.action), action="ignore")
            .execute()
        )
        return row if noted else None

    def made(self, task_id: UUID) -> None:
        """The task that came of it."""
        self._tell(made_id=task_id)

    def of_batch(self, batch_id: UUID, **details: Any) -> None:
        """The batch that it is about."""
        self._tell(batch_id=batch_id, details=details)

    def tell(self, **details: Any) -> None:
        """What else there is to say of it."""
        self._tell(details=details)

    def _tell(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self, name, value)
        Audit.update(**fields).where(Audit.id == self.id).execute()

    @classmethod
    def find(cls, shop: Shop, audit_id: UUID, action: Action) -> Self | None:
        """The shop's row of this number, if it is about this, or None."""
        return cls.get_or_none((cls.id == audit_id) & (cls.shop == shop) & (cls.action == action))

    @classmethod
    def by_click(cls, shop: Shop, action: Action, click: UUID) -> Self | None:
        """That this was done at this click, or None."""
        return cls.get_or_none((cls.shop == shop) & (cls.action == action) & (cls.click == click))

    @classmethod
    def page(cls, shop: Shop, limit: int, before: UUID | None = None) -> list[Self]:
        """Up to `limit` rows of the shop, newest first, those older than `before`."""
        mine = cls.select().where(cls.shop == shop)
        older = mine.where(cls.id < before) if before else mine
        return list(older.order_by(cls.id.desc()).limit(limit))

    @classmethod
    def of_task(cls, task_id: UUID, limit: int) -> list[Self]:
        """What was done to a task, newest first."""
        return list(cls.select().where(cls.task_id == task_id).order_by(cls.id.desc()).limit(limit))
