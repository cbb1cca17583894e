"""The form that begins an import: its days, and how far back Shopify lets the app read orders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from actors.imports import BEFORE_SHOPIFY
from clients.shopify.admin_url import admin_app_url
from clients.shopify.scopes import READ_ALL_ORDERS
from config import config
from i18n.catalogue import t
from i18n.formats import format_date
from models import Shop, utcnow
from sync.scopes.granted import orders_visible_since
from views.web import formatting
from views.web.errors import BadInput

PROPOSED = timedelta(days=365)  # where the orders of all times may be read


@dataclass(frozen=True)
class ImportForm:
    """The import form, with its values as they were typed, so that an error does not lose them."""

    shop: Shop
    first_day: str
    last_day: str
    confirmed: bool = False
    problem: str | None = None
    notice: str | None = None
    estimate: str | None = None

    scopes = READ_ALL_ORDERS  # what the button asks for, by App Bridge

    @classmethod
    def default(cls, shop: Shop) -> Self:
        """The form's initial values: the last year, or as much of it as Shopify shows."""
        today, earliest = utcnow().astimezone(_zone(shop)).date(), earliest_day(shop)
        return cls(shop, str(max(today - PROPOSED, earliest or date.min)), str(today))

    @classmethod
    def read(cls, shop: Shop, form: dict[str, str], problem: str | None = None) -> Self:
        """The form as it was sent."""
        return cls(shop, form.get("first", ""), form.get("last", ""), form.get("ready") == "yes", problem)

    def noting(self, notice: str) -> Self:
        """The form with a sentence above it."""
        return replace(self, notice=notice)

    def estimating(self, estimate: str) -> Self:
        """The form with how long the import would take."""
        return replace(self, estimate=estimate)

    @property
    def earliest(self) -> date | None:
        """The earliest first day; None: any."""
        return earliest_day(self.shop)

    @property
    def limit_note(self) -> str | None:
        """How far back Shopify lets the app read; None: all the way."""
        return t("imports.limit.note", day=_format_day(self.earliest)) if self.earliest else None

    @property
    def admin_url(self) -> str:
        """This page in Shopify's admin, where the scope can be asked for."""
        domain = self.shop.domain
        if config.shopify_api_key:
            return f"{admin_app_url(domain)}/imports"
        return f"https://{domain}/admin/settings/apps"  # where a custom app of the shop's own has its scopes

    def window(self) -> tuple[datetime, datetime]:
        """From the start of the first day to the end of the last, in the shop's time zone. Raises BadInput."""
        zone = _zone(self.shop)
        starts_at, ends_at = _midnight(self.first_day, zone), _midnight(self.last_day, zone, timedelta(days=1))
        if starts_at < BEFORE_SHOPIFY:
            raise BadInput(t("imports.bad.past"))
        if starts_at > utcnow():
            raise BadInput(t("imports.bad.future"))
        if ends_at <= starts_at:
            raise BadInput(t("imports.bad.range"))
        if self.earliest and date.fromisoformat(self.first_day.strip()) < self.earliest:
            raise BadInput(t("imports.bad.limit", day=_format_day(self.earliest)))
        return starts_at, ends_at

    def confirmed_window(self) -> tuple[datetime, datetime]:
        """The window of an import that is to begin. Raises BadInput, also without the confirmation."""
        window = self.window()
        if not self.confirmed:
            raise BadInput(t("imports.bad.ready"))
        return window


def earliest_day(shop: Shop) -> date | None:
    """The earliest day of which Shopify shows orders, in the shop's time zone; None: any day."""
    since = orders_visible_since(shop)
    return since.astimezone(_zone(shop)).date() if since else None


def _zone(shop: Shop) -> ZoneInfo:
    return formatting.time_zone(shop.timezone)


def _midnight(day: str, zone: ZoneInfo, later: timedelta = timedelta()) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(day.strip()) + later, time(), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(t("imports.bad.day")) from None


def _format_day(day: date) -> str:
    return format_date(datetime.combine(day, time()))
